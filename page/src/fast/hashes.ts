// SHA-256 and BLAKE3 of long files, by the WebAssembly module where there is one, else by @noble.

import { blake3 } from "@noble/hashes/blake3";
import { sha256 } from "@noble/hashes/sha2";

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

/** A digest of bytes that come in runs of exactly 1 MiB, the last shorter. */
export interface RunDigest {
  update(run: Uint8Array): void;
  digest(): Uint8Array;
}

/** Makes digests of both kinds. */
export interface Hashes {
  sha256(): RunDigest;
  blake3(): RunDigest;
}

class WasmSha256 implements RunDigest {
  private readonly state = new Uint32Array(IV);
  private bytes = 0;
  private rest = new Uint8Array();

  constructor(private readonly module: HashModule) {}

  update(run: Uint8Array): void {
    this.bytes += run.length;
    const whole = run.length - (run.length % BLOCK_BYTES);
    this.take(run.subarray(0, whole));
    this.rest = run.slice(whole);
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

  digest(): Uint8Array {
    // A one bit, zeros, and the length in bits (FIPS 180-4 §5.1.1).
    const padded = new Uint8Array(this.rest.length < 56 ? 64 : 128);
    padded.set(this.rest);
    padded[this.rest.length] = 0x80;
    new DataView(padded.buffer).setBigUint64(padded.length - 8, BigInt(this.bytes) * 8n);
    this.take(padded);
    const digest = new Uint8Array(32);
    const view = new DataView(digest.buffer);
    this.state.forEach((word, at) => view.setUint32(4 * at, word));
    return digest;
  }
}

class WasmBlake3 implements RunDigest {
  /** Chaining values of whole subtrees, the largest first. */
  private readonly stack: Uint8Array[] = [];
  private runs = 0;
  private last: Uint8Array | null = null;

  constructor(private readonly module: HashModule) {}

  update(run: Uint8Array): void {
    if (this.last) this.push(this.last);
    // The last run is kept, since the root is made otherwise.
    this.last = run.slice();
  }

  private push(run: Uint8Array): void {
    let value = this.valueOf(run);
    this.runs++;
    for (let count = this.runs; count % 2 === 0; count /= 2) value = this.parent(this.stack.pop() as Uint8Array, value, 0);
    this.stack.push(value);
  }

  digest(): Uint8Array {
    if (this.stack.length === 0) return blake3(this.last ?? new Uint8Array());
    let value = this.valueOf(this.last as Uint8Array);
    for (let left = this.stack.pop(); left; left = this.stack.pop()) value = this.parent(left, value, this.stack.length === 0 ? ROOT : 0);
    return value;
  }

  /** The chaining value of a run, whose first chunk is the one after those of all runs before. */
  private valueOf(run: Uint8Array): Uint8Array {
    const { memory } = this.module;
    memory.set(run, INPUT);
    const counter = this.runs * (RUN_BYTES / CHUNK_BYTES);
    const whole = Math.floor(run.length / CHUNK_BYTES);
    for (let chunk = 0; chunk < whole; chunk += 4) {
      // Beyond the last whole chunk lie bytes of other runs; their values are written over or not looked at.
      this.chunks(INPUT + chunk * CHUNK_BYTES, CHUNK_BYTES / BLOCK_BYTES, counter + chunk, VALUES + chunk * CV_BYTES);
    }
    const count = Math.ceil(run.length / CHUNK_BYTES);
    if (count > whole) memory.set(this.partial(run.subarray(whole * CHUNK_BYTES), counter + whole), VALUES + whole * CV_BYTES);
    return this.reduce(count);
  }

  private chunks(input: number, blocks: number, counter: number, output: number): void {
    const high = Math.floor(counter / 2 ** 32);
    this.module.blake3(input, CHUNK_BYTES, blocks, counter | 0, high, -1, 0, CHUNK_START, CHUNK_END, output);
  }

  /** Halves the chaining values, pair by pair, until one is left; a value without a right neighbour goes up as it is. */
  private reduce(count: number): Uint8Array {
    const { memory } = this.module;
    let left = count;
    while (left > 1) {
      const pairs = Math.floor(left / 2);
      const single = left % 2 === 1 ? memory.slice(VALUES + (left - 1) * CV_BYTES, VALUES + left * CV_BYTES) : null;
      for (let pair = 0; pair < pairs; pair += 4) {
        this.module.blake3(VALUES + pair * BLOCK_BYTES, BLOCK_BYTES, 1, 0, 0, 0, PARENT, 0, 0, VALUES + pair * CV_BYTES);
      }
      if (single) memory.set(single, VALUES + pairs * CV_BYTES);
      left = pairs + (single ? 1 : 0);
    }
    return memory.slice(VALUES, VALUES + CV_BYTES);
  }

  private parent(left: Uint8Array, right: Uint8Array, flags: number): Uint8Array {
    const { memory } = this.module;
    memory.set(left, VALUES);
    memory.set(right, VALUES + CV_BYTES);
    this.module.blake3(VALUES, BLOCK_BYTES, 1, 0, 0, 0, PARENT | flags, 0, 0, STATE);
    return memory.slice(STATE, STATE + CV_BYTES);
  }

  /** The chaining value of a chunk that is not whole. */
  private partial(chunk: Uint8Array, counter: number): Uint8Array {
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

/** The fastest that there are here. Both digests of one maker share its memory, but neither keeps anything there. */
export function makeHashes(): Hashes {
  const module = instantiate();
  if (!module) return { sha256: () => sha256.create(), blake3: () => blake3.create({}) };
  return { sha256: () => new WasmSha256(module), blake3: () => new WasmBlake3(module) };
}
