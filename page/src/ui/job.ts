// The digests of one entry, or half of them: what a worker does, or the page itself where it has no workers.

import { concat, toHex } from "../core/bytes.js";
import { crc32 } from "../core/crc32.js";
import { TREE_LEAF_BYTES } from "../core/digests.js";
import { TreeRoot } from "../core/merkle.js";
import { makeHashes } from "../fast/hashes.js";

/** Bytes that are read at once: whole leaves of the tree. */
const READ_BYTES = 4 * TREE_LEAF_BYTES;
/** What is not longer is always digested by the browser itself in one piece, which is several times faster. */
export const NATIVE_BYTES = 128 * TREE_LEAF_BYTES;

export interface Job {
  name: string;
  start: number;
  length: number;
  /** SHA-256 of the whole. */
  whole: boolean;
  /** Whether there is memory to digest it in one piece although it is long. */
  inMemory?: boolean;
  /** CRC-32. */
  crc: boolean;
  /** BLAKE3, and the tree over leaves of 1 MiB. */
  pieces: boolean;
}

export interface JobResult {
  sha256?: string;
  crc?: number;
  blake3?: string;
  tree?: string;
}

const LEAF = Uint8Array.of(0);

async function nativeSha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

async function read(file: Blob, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.slice(start, start + length).arrayBuffer());
}

/** All of an entry; null if there is no memory for it after all. */
async function readWhole(file: Blob, job: Job): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await read(file, job.start, job.length);
  } catch (error) {
    if (job.length <= NATIVE_BYTES) throw error;
    return null;
  }
}

const hashes = makeHashes();

/** Does one job; tells how many bytes it has gone through, piece by piece. */
export async function runJob(file: Blob, job: Job, onBytes: (bytes: number) => void): Promise<JobResult> {
  const result: JobResult = {};
  const all = job.whole && (job.length <= NATIVE_BYTES || job.inMemory) ? await readWhole(file, job) : null;
  if (all) result.sha256 = toHex(await nativeSha256(all));
  const whole = job.whole && !all ? hashes.sha256() : null;
  const other = job.pieces ? hashes.blake3() : null;
  const tree = new TreeRoot();
  let crc = 0;
  for (let at = 0; at < job.length; at += READ_BYTES) {
    const length = Math.min(READ_BYTES, job.length - at);
    const piece = all ? all.subarray(at, at + length) : await read(file, job.start + at, length);
    const leaves: Promise<Uint8Array>[] = [];
    for (let leaf = 0; leaf < length; leaf += TREE_LEAF_BYTES) {
      const bytes = piece.subarray(leaf, leaf + TREE_LEAF_BYTES);
      if (other) leaves.push(nativeSha256(concat(LEAF, bytes) as Uint8Array<ArrayBuffer>));
      if (job.crc) crc = crc32(bytes, crc);
      whole?.update(bytes);
      other?.update(bytes);
    }
    for (const leaf of await Promise.all(leaves)) tree.push(leaf);
    onBytes(length);
  }
  if (whole) result.sha256 = toHex(whole.digest());
  if (job.crc) result.crc = crc;
  if (other) [result.blake3, result.tree] = [toHex(other.digest()), toHex(tree.root())];
  return result;
}
