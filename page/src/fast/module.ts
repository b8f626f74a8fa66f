// The inner loops of SHA-256 and BLAKE3 as WebAssembly: SHA-256 block by block, BLAKE3 four chunks side by side.
// Source: FIPS 180-4 §6.2.2; the BLAKE3 paper, §2.

import { assemble, Code, I32, V128 } from "./assembler.js";

/** The first 32 bits of the fractional parts of square roots, and of cube roots, of the first primes (FIPS 180-4 §4.2.2, §5.3.3). */
function fractions(count: number, root: (prime: number) => number): number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) isPrime = false;
    if (isPrime) found.push(Math.floor((root(candidate) % 1) * 2 ** 32) | 0);
  }
  return found;
}

export const IV = fractions(8, Math.sqrt);
const K = fractions(64, Math.cbrt);

/** `sha256(state, data, blocks)`: takes blocks of 64 bytes into a state of 8 words. */
function sha256(): Code {
  const code = new Code("sha256", 3);
  const [state, data, blocks] = [0, 1, 2];
  const digest = Array.from({ length: 8 }, () => code.local(I32));
  const work = Array.from({ length: 8 }, () => code.local(I32));
  const words = Array.from({ length: 16 }, () => code.local(I32));
  const [first, vector] = [code.local(I32), code.local(V128)];
  const at = (list: number[], place: number): number => list[place] as number;
  const bigEndian = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
  for (let place = 0; place < 8; place++) code.get(state).load(4 * place).set(at(digest, place));
  code.repeat(() => {
    for (let quarter = 0; quarter < 4; quarter++) {
      code.get(data).vectorLoad(16 * quarter).tee(vector).get(vector).shuffle(bigEndian).set(vector);
      for (let lane = 0; lane < 4; lane++) code.get(vector).lane(lane).set(at(words, 4 * quarter + lane));
    }
    for (let place = 0; place < 8; place++) code.get(at(digest, place)).set(at(work, place));
    const sigma = (word: number, a: number, b: number, c: number, isShift: boolean): void => {
      code.get(word).rotateRight(a).get(word).rotateRight(b).xor().get(word);
      if (isShift) code.shiftRight(c);
      else code.rotateRight(c);
      code.xor();
    };
    for (let round = 0; round < 64; round++) {
      const word = at(words, round % 16);
      if (round >= 16) {
        sigma(at(words, (round + 14) % 16), 17, 19, 10, true);
        code.get(at(words, (round + 9) % 16)).plus();
        sigma(at(words, (round + 1) % 16), 7, 18, 3, true);
        code.plus().get(word).plus().set(word);
      }
      // The roles of the eight words turn with the rounds, so that none is moved.
      const [a, b, c, d, e, f, g, h] = Array.from({ length: 8 }, (_, place) => at(work, (place + 64 - round) % 8)) as [
        number, number, number, number, number, number, number, number,
      ];
      code.get(h);
      sigma(e, 6, 11, 25, false);
      code.plus().get(f, g).xor().get(e).and().get(g).xor().plus().const(at(K, round)).plus().get(word).plus().set(first);
      code.get(d, first).plus().set(d);
      code.get(first);
      sigma(a, 2, 13, 22, false);
      code.plus().get(a, b).xor().get(c).and().get(a, b).and().xor().plus().set(h);
    }
    for (let place = 0; place < 8; place++) code.get(at(digest, place), at(work, place)).plus().set(at(digest, place));
    code.get(data).const(64).plus().set(data).get(blocks).const(1).minus().tee(blocks);
  });
  for (let place = 0; place < 8; place++) code.get(state, at(digest, place)).store(4 * place);
  return code;
}

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROTATE_16 = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
const ROTATE_8 = [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12];
/** Lanes of two vectors, 0 to 7, as bytes. */
const lanes = (...list: number[]): number[] => list.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);

/**
 * `blake3(input, stride, blocks, counter, high, step, flags, first, last, output)`: four runs of so many blocks of 64 bytes, a stride apart, to
 * four chaining values side by side. `step` is −1 if the counter goes on from run to run, 0 if all have the same; `flags` are those of every
 * block, `first` and `last` those of the first and last besides.
 */
function blake3(): Code {
  const code = new Code("blake3", 10);
  const [input, stride, blocks, counter, high, step, flags, first, last, output] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const vectors = (count: number): number[] => Array.from({ length: count }, () => code.local(V128));
  const [chain, state, words, four, low] = [vectors(8), vectors(16), vectors(16), vectors(4), code.local(V128)];
  const [current, place] = [code.local(I32), code.local(I32)];
  const at = (list: number[], index: number): number => list[index] as number;
  const same = (word: number): number[] => [word, word, word, word];
  /** Writes the four vectors on end: lane i of each becomes vector i. */
  const transpose = (from: number[], to: number[]): void => {
    const [a, b, c, d] = from as [number, number, number, number];
    const [e, f, g, h] = four as [number, number, number, number];
    code.get(a, b).shuffle(lanes(0, 4, 1, 5)).set(e).get(a, b).shuffle(lanes(2, 6, 3, 7)).set(f);
    code.get(c, d).shuffle(lanes(0, 4, 1, 5)).set(g).get(c, d).shuffle(lanes(2, 6, 3, 7)).set(h);
    code.get(e, g).shuffle(lanes(0, 1, 4, 5)).set(at(to, 0)).get(e, g).shuffle(lanes(2, 3, 6, 7)).set(at(to, 1));
    code.get(f, h).shuffle(lanes(0, 1, 4, 5)).set(at(to, 2)).get(f, h).shuffle(lanes(2, 3, 6, 7)).set(at(to, 3));
  };
  const rotate = (bits: number, local: number): void => {
    if (bits === 16 || bits === 8) code.tee(local).get(local).shuffle(bits === 16 ? ROTATE_16 : ROTATE_8).set(local);
    else code.tee(local).vectorShiftRight(bits).get(local).vectorShiftLeft(32 - bits).vectorOr().set(local);
  };
  const quarter = (a: number, b: number, c: number, d: number, x: number, y: number): void => {
    for (const [word, turn, other] of [[x, 16, 12], [y, 8, 7]] as const) {
      code.get(a, b).vectorPlus().get(word).vectorPlus().set(a);
      code.get(d, a).vectorXor();
      rotate(turn, d);
      code.get(c, d).vectorPlus().set(c);
      code.get(b, c).vectorXor();
      rotate(other, b);
    }
  };
  for (let index = 0; index < 8; index++) code.vectorConst(same(at(IV, index))).set(at(chain, index));
  code.get(counter).splat().vectorConst([0, 1, 2, 3]).get(step).splat().vectorAnd().vectorPlus().set(low);
  code.get(flags, first).or().set(current);
  code.repeat(() => {
    // The last block has flags of its own: 0 − (blocks == 1) is all ones then.
    code.get(current).const(0).get(blocks).const(1).isEqual().minus().get(last).and().or().set(current);
    for (let part = 0; part < 4; part++) {
      code.get(input).set(place);
      const loaded = state.slice(0, 4);
      for (const local of loaded) code.get(place).vectorLoad(16 * part).set(local).get(place, stride).plus().set(place);
      transpose(loaded, words.slice(4 * part, 4 * part + 4));
    }
    for (let index = 0; index < 8; index++) code.get(at(chain, index)).set(at(state, index));
    for (let index = 0; index < 4; index++) code.vectorConst(same(at(IV, index))).set(at(state, 8 + index));
    code.get(low).set(at(state, 12)).get(high).splat().set(at(state, 13));
    code.vectorConst(same(64)).set(at(state, 14)).get(current).splat().set(at(state, 15));
    let order = words;
    for (let round = 0; round < 7; round++) {
      const mix = (a: number, b: number, c: number, d: number, pair: number): void =>
        quarter(at(state, a), at(state, b), at(state, c), at(state, d), at(order, 2 * pair), at(order, 2 * pair + 1));
      for (let column = 0; column < 4; column++) mix(column, 4 + column, 8 + column, 12 + column, column);
      for (let diagonal = 0; diagonal < 4; diagonal++) {
        mix(diagonal, 4 + ((diagonal + 1) % 4), 8 + ((diagonal + 2) % 4), 12 + ((diagonal + 3) % 4), 4 + diagonal);
      }
      order = PERMUTATION.map((index) => at(order, index));
    }
    for (let index = 0; index < 8; index++) code.get(at(state, index), at(state, 8 + index)).vectorXor().set(at(chain, index));
    code.get(flags).set(current).get(input).const(64).plus().set(input).get(blocks).const(1).minus().tee(blocks);
  });
  transpose(chain.slice(0, 4), state.slice(0, 4));
  transpose(chain.slice(4, 8), state.slice(4, 8));
  for (let lane = 0; lane < 4; lane++) {
    code.get(output, at(state, lane)).vectorStore(32 * lane);
    code.get(output, at(state, 4 + lane)).vectorStore(32 * lane + 16);
  }
  return code;
}

/** Pages of 64 KiB of the module's memory: 1 MiB of input after 64 KiB for states and chaining values. */
const PAGES = 18;
export const INPUT = 64 * 1024;

export interface HashModule {
  memory: Uint8Array<ArrayBuffer>;
  sha256(state: number, data: number, blocks: number): void;
  blake3(
    input: number, stride: number, blocks: number, counter: number, high: number, step: number, flags: number, first: number, last: number,
    output: number,
  ): void;
}

/** Makes an instance, or gives null where WebAssembly or its vectors are not to be had. */
export function instantiate(): HashModule | null {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble([sha256(), blake3()], PAGES)));
    const { memory, ...functions } = exports as unknown as { memory: WebAssembly.Memory } & Omit<HashModule, "memory">;
    return { memory: new Uint8Array(memory.buffer as ArrayBuffer), ...functions };
  } catch {
    return null;
  }
}
