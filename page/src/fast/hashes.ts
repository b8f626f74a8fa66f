// SHA-256 and BLAKE3 of long entries, by the WebAssembly module where there is one, else by @noble.

import { blake3 } from "@noble/hashes/blake3";
import { sha256 } from "@noble/hashes/sha2";

import { concat } from "../core/bytes.js";
import { INPUT, instantiate, IV, type HashModule } from "./module.js";

/** The longest run of bytes that is taken at once: 1 MiB. */
export const RUN_BYTES = 1024 * 1024;

const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const CV_BYTES = 32;
/** Chaining values of a run lie from here on, those of its parents beside them. */
const VALUES = 0;
const STATE = 60 * 1024;

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

/** Digests of a long run of bytes that comes in parts of whole runs, the last shorter. */
export interface LongDigest {
  update(bytes: Uint8Array): void;
  /** SHA-256; BLAKE3 besides if it was asked for and cannot be had run by run. */
  digest(): { sha256: Uint8Array; blake3?: Uint8Array };
}

/** One run, until the next is taken in. */
export interface Run {
  /** The run as a leaf of the tree: a zero byte before it. */
  leaf(): Uint8Array<ArrayBuffer>;
  /** Its chaining value in the BLAKE3 of several runs, of which it is the one with this index. */
  value(index: number): Uint8Array;
  /** Its BLAKE3 if there is no other. */
  digest(): Uint8Array;
}

/** Makes digests of both kinds. */
export interface Hashes {
  /** Whether BLAKE3 can be had run by run, in any order. */
  isFast: boolean;
  long(wantsBlake3: boolean): LongDigest;
  /** Takes in a run; null if that is not to be had. */
  run(bytes: Uint8Array): Run | null;
}

class WasmSha256 implements LongDigest {
  private readonly state = new Uint32Array(IV);
  private bytes = 0;
  private rest = new Uint8Array();

  constructor(private readonly module: HashModule) {}

  update(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    const whole = bytes.length - (bytes.length % BLOCK_BYTES);
    for (let at = 0; at < whole; at += RUN_BYTES) this.take(bytes.subarray(at, Math.min(at + RUN_BYTES, whole)));
    this.rest = bytes.slice(whole);
  }

  private take(blocks: Uint8Array): void {
    if (blocks.length === 0) return;
    const { memory } = this.module;
    const state = new Uint32Array(memory.buffer, STATE, 8);
    state.set(this.state);
    memory.set(blocks, INPUT);
    this.module.sha256(STATE, INPUT, blocks.length / BLOCK_BYTES);
    this.state.set(state);
  }

  digest(): { sha256: Uint8Array } {
    // A one bit, zeros, and the length in bits (FIPS 180-4 §5.1.1).
    const padded = new Uint8Array(this.rest.length < 56 ? 64 : 128);
    padded.set(this.rest);
    padded[this.rest.length] = 0x80;
    new DataView(padded.buffer).setBigUint64(padded.length - 8, BigInt(this.bytes) * 8n);
    this.take(padded);
    const digest = new Uint8Array(32);
    const view = new DataView(digest.buffer);
    this.state.forEach((word, at) => view.setUint32(4 * at, word));
    return { sha256: digest };
  }
}

/** One run in the module's memory, where a zero byte lies before it. */
class WasmRun implements Run {
  private length = 0;

  constructor(private readonly module: HashModule) {}

  take(run: Uint8Array): this {
    this.module.memory.set(run, INPUT);
    this.length = run.length;
    return this;
  }

  leaf(): Uint8Array<ArrayBuffer> {
    return this.module.memory.subarray(INPUT - 1, INPUT + this.length);
  }

  value(index: number): Uint8Array {
    return this.reduce(this.chunkValues(index * (RUN_BYTES / CHUNK_BYTES)), 0);
  }

  digest(): Uint8Array {
    // The only chunk is a root of its own kind.
    if (this.length <= CHUNK_BYTES) return blake3(this.bytes(0));
    return this.reduce(this.chunkValues(0), ROOT);
  }

  private bytes(from: number): Uint8Array {
    return this.module.memory.subarray(INPUT + from, INPUT + this.length);
  }

  /** Makes the chaining values of the chunks, the first of which has this number; says how many. */
  private chunkValues(first: number): number {
    const whole = Math.floor(this.length / CHUNK_BYTES);
    for (let chunk = 0; chunk < whole; chunk += 4) {
      // Beyond the last whole chunk lie bytes of other runs; their values are written over or not looked at.
      this.chunks(INPUT + chunk * CHUNK_BYTES, CHUNK_BYTES / BLOCK_BYTES, first + chunk, VALUES + chunk * CV_BYTES);
    }
    const count = Math.ceil(this.length / CHUNK_BYTES);
    if (count > whole) this.module.memory.set(partial(this.bytes(whole * CHUNK_BYTES), first + whole), VALUES + whole * CV_BYTES);
    return count;
  }

  private chunks(input: number, blocks: number, counter: number, output: number): void {
    const high = Math.floor(counter / 2 ** 32);
    this.module.blake3(input, CHUNK_BYTES, blocks, counter | 0, high, -1, 0, CHUNK_START, CHUNK_END, output);
  }

  /** Halves the chaining values, pair by pair, until one is left; a value without a right neighbour goes up as it is. */
  private reduce(count: number, last: number): Uint8Array {
    const { memory } = this.module;
    let left = count;
    while (left > 1) {
      const pairs = Math.floor(left / 2);
      const single = left % 2 === 1 ? memory.slice(VALUES + (left - 1) * CV_BYTES, VALUES + left * CV_BYTES) : null;
      const flags = PARENT | (left === 2 ? last : 0);
      for (let pair = 0; pair < pairs; pair += 4) {
        this.module.blake3(VALUES + pair * BLOCK_BYTES, BLOCK_BYTES, 1, 0, 0, 0, flags, 0, 0, VALUES + pair * CV_BYTES);
      }
      if (single) memory.set(single, VALUES + pairs * CV_BYTES);
      left = pairs + (single ? 1 : 0);
    }
    return memory.slice(VALUES, VALUES + CV_BYTES);
  }
}

/** The BLAKE3 of all, of the chaining values of two or more runs. */
export function blake3OfRuns(values: Uint8Array[]): Uint8Array {
  // Values of whole subtrees, the largest first. The last run's is kept back, since the root is made otherwise.
  const stack: Uint8Array[] = [];
  const parent = (left: Uint8Array, right: Uint8Array, flags: number): Uint8Array =>
    new Uint8Array(compress(new Uint32Array(IV), new Uint32Array(concat(left, right).buffer), 0, BLOCK_BYTES, PARENT | flags).buffer);
  values.slice(0, -1).forEach((value, at) => {
    let right = value;
    for (let count = at + 1; count % 2 === 0; count /= 2) right = parent(stack.pop() as Uint8Array, right, 0);
    stack.push(right);
  });
  let value = values[values.length - 1] as Uint8Array;
  for (let left = stack.pop(); left; left = stack.pop()) value = parent(left, value, stack.length === 0 ? ROOT : 0);
  return value;
}

/** The chaining value of a chunk that is not whole. */
function partial(chunk: Uint8Array, counter: number): Uint8Array {
  let value = new Uint32Array(IV);
  for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
    const block = new Uint8Array(BLOCK_BYTES);
    const bytes = chunk.subarray(at, at + BLOCK_BYTES);
    block.set(bytes);
    const flags = (at === 0 ? CHUNK_START : 0) | (at + BLOCK_BYTES >= chunk.length ? CHUNK_END : 0);
    value = compress(value, new Uint32Array(block.buffer), counter, bytes.length, flags);
  }
  return new Uint8Array(value.buffer);
}

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/** One compression, for the few blocks that are not whole. Words are little-endian, as on every machine that runs a browser. */
function compress(value: Uint32Array, block: Uint32Array, counter: number, length: number, flags: number): Uint32Array<ArrayBuffer> {
  const s = new Uint32Array(16);
  s.set(value);
  s.set(IV.slice(0, 4), 8);
  s.set([counter >>> 0, Math.floor(counter / 2 ** 32), length, flags], 12);
  const rotate = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));
  const mix = (a: number, b: number, c: number, d: number, x: number, y: number): void => {
    for (const [word, turn, other] of [[x, 16, 12], [y, 8, 7]] as const) {
      s[a] = (s[a] as number) + (s[b] as number) + word;
      s[d] = rotate((s[d] as number) ^ (s[a] as number), turn);
      s[c] = (s[c] as number) + (s[d] as number);
      s[b] = rotate((s[b] as number) ^ (s[c] as number), other);
    }
  };
  let m = [...block];
  for (let round = 0; round < 7; round++) {
    for (let i = 0; i < 4; i++) mix(i, 4 + i, 8 + i, 12 + i, m[2 * i] as number, m[2 * i + 1] as number);
    for (let i = 0; i < 4; i++) {
      mix(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4), m[8 + 2 * i] as number, m[9 + 2 * i] as number);
    }
    m = PERMUTATION.map((index) => m[index] as number);
  }
  return Uint32Array.from({ length: 8 }, (_, i) => (s[i] as number) ^ (s[8 + i] as number));
}

/** Both of @noble, where there is no WebAssembly. */
class NobleDigest implements LongDigest {
  private readonly sha256 = sha256.create();
  private readonly blake3;

  constructor(wantsBlake3: boolean) {
    this.blake3 = wantsBlake3 ? blake3.create({}) : null;
  }

  update(bytes: Uint8Array): void {
    this.sha256.update(bytes);
    this.blake3?.update(bytes);
  }

  digest(): { sha256: Uint8Array; blake3?: Uint8Array } {
    return { sha256: this.sha256.digest(), ...(this.blake3 && { blake3: this.blake3.digest() }) };
  }
}

/** The fastest that there are here, or @noble's. */
export function makeHashes(module: HashModule | null = instantiate()): Hashes {
  if (!module) return { isFast: false, long: (wantsBlake3) => new NobleDigest(wantsBlake3), run: () => null };
  const run = new WasmRun(module);
  return { isFast: true, long: () => new WasmSha256(module), run: (bytes) => run.take(bytes) };
}
