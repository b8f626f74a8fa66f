// Writes a small WebAssembly module by hand: just the instructions that the hash functions need. Source: WebAssembly 2.0, §5 (binary format).

export const I32 = 0x7f;
export const V128 = 0x7b;

/** An unsigned LEB128 number. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

/** A signed LEB128 number of 32 bits. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const isLast = (rest >= 0 && rest < 0x40) || (rest < 0 && rest >= -0x40);
    bytes.push((rest & 0x7f) | (isLast ? 0 : 0x80));
    if (isLast) return bytes;
  }
}

/** The code of one function: parameters and locals are numbered from 0. */
export class Code {
  readonly bytes: number[] = [];
  readonly locals: number[] = [];

  constructor(
    readonly name: string,
    readonly parameters: number,
  ) {}

  /** A new local of a type. */
  local(type: number): number {
    return this.parameters + this.locals.push(type) - 1;
  }

  private add(...bytes: number[]): this {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }

  private simd(opcode: number, ...bytes: number[]): this {
    return this.add(0xfd, ...unsigned(opcode), ...bytes);
  }

  get(...locals: number[]): this {
    for (const local of locals) this.add(0x20, ...unsigned(local));
    return this;
  }

  set(local: number): this {
    return this.add(0x21, ...unsigned(local));
  }

  tee(local: number): this {
    return this.add(0x22, ...unsigned(local));
  }

  const(value: number): this {
    return this.add(0x41, ...signed(value));
  }

  load(offset: number): this {
    return this.add(0x28, 2, ...unsigned(offset));
  }

  store(offset: number): this {
    return this.add(0x36, 2, ...unsigned(offset));
  }

  plus(): this {
    return this.add(0x6a);
  }

  minus(): this {
    return this.add(0x6b);
  }

  and(): this {
    return this.add(0x71);
  }

  or(): this {
    return this.add(0x72);
  }

  xor(): this {
    return this.add(0x73);
  }

  shiftRight(bits: number): this {
    return this.const(bits).add(0x76);
  }

  rotateRight(bits: number): this {
    return this.const(bits).add(0x78);
  }

  isZero(): this {
    return this.add(0x45);
  }

  isEqual(): this {
    return this.add(0x46);
  }

  /** Multiplies, of two i32. */
  times(): this {
    return this.add(0x6c);
  }

  /** Repeats while `body` leaves a number on the stack that is not zero. */
  repeat(body: () => void): this {
    this.add(0x03, 0x40);
    body();
    return this.add(0x0d, 0, 0x0b);
  }

  vectorLoad(offset: number): this {
    return this.simd(0, 0, ...unsigned(offset));
  }

  vectorStore(offset: number): this {
    return this.simd(11, 0, ...unsigned(offset));
  }

  vectorConst(words: number[]): this {
    return this.simd(12, ...words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]));
  }

  /** Takes bytes of two vectors, by numbers 0 to 31. */
  shuffle(bytes: number[]): this {
    return this.simd(13, ...bytes);
  }

  splat(): this {
    return this.simd(17);
  }

  lane(number: number): this {
    return this.simd(27, number);
  }

  vectorAnd(): this {
    return this.simd(78);
  }

  vectorOr(): this {
    return this.simd(80);
  }

  vectorXor(): this {
    return this.simd(81);
  }

  vectorShiftLeft(bits: number): this {
    return this.const(bits).simd(171);
  }

  vectorShiftRight(bits: number): this {
    return this.const(bits).simd(173);
  }

  vectorPlus(): this {
    return this.simd(174);
  }
}

function section(id: number, items: number[][]): number[] {
  const content = [...unsigned(items.length), ...items.flat()];
  return [id, ...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  return [...unsigned(value.length), ...[...value].map((character) => character.charCodeAt(0))];
}

/** A module of functions that take i32 and return nothing, and a memory of some pages of 64 KiB, all exported. */
export function assemble(functions: Code[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map((code) => [0x60, ...unsigned(code.parameters), ...Array<number>(code.parameters).fill(I32), 0]);
  const bodies = functions.map((code) => {
    const locals = code.locals.map((type) => [1, type]);
    const body = [...unsigned(locals.length), ...locals.flat(), ...code.bytes, 0x0b];
    return [...unsigned(body.length), ...body];
  });
  const exports = functions.map((code, at) => [...text(code.name), 0, ...unsigned(at)]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(3, functions.map((_, at) => unsigned(at))),
    ...section(5, [[0, ...unsigned(pages)]]),
    ...section(7, [...exports, [...text("memory"), 2, 0]]),
    ...section(10, bodies),
  ]);
}
