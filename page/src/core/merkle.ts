// The RFC 6962 tree with SHA-256: hashes of leaves and nodes, and proofs. Source: RFC 9162 §2.1.3.2, §2.1.4.2; docs/spec/log.md §1.
//
// Sizes and indexes are at most 2^48 and so exact as numbers.

import { equal, fromHex, Refusal } from "./bytes.js";
import { sha256 } from "./primitives.js";

/** The most leaves of a tree. */
export const MAX_TREE_SIZE = 2 ** 48;
/** The most hashes of a proof. */
const MAX_PROOF_HASHES = 63;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(LEAF, entry);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right);
}

export function emptyRoot(): Uint8Array {
  return sha256();
}

/** Hashes in hexadecimal digits as a proof; null if one is none, or there are more than 63. */
export function proofOf(words: string[]): Uint8Array[] | null {
  const hashes = words.map((word) => (word.length === 64 ? fromHex(word) : null));
  return hashes.length <= MAX_PROOF_HASHES && hashes.every((hash) => hash !== null) ? hashes : null;
}

/** The largest power of two below `size`, which is at least 2. */
function split(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function inclusionLength(index: number, size: number): number {
  let [start, end, length] = [0, size, 0];
  while (end - start > 1) {
    const middle = start + split(end - start);
    if (index < middle) end = middle;
    else start = middle;
    length++;
  }
  return length;
}

function consistencyLength(old: number, size: number): number {
  if (old === 0 || old === size) return 0;
  let [start, end, length] = [0, size, 0];
  while (end !== old) {
    const middle = start + split(end - start);
    if (old <= middle) end = middle;
    else start = middle;
    length++;
  }
  return length + (start > 0 ? 1 : 0);
}

/** Whether `leaf` is the leaf at `index` of the tree of `size` with this root. */
export function isIncluded(index: number, size: number, leaf: Uint8Array, proof: Uint8Array[], root: Uint8Array): boolean {
  if (index >= size || proof.length !== inclusionLength(index, size)) return false;
  let [place, last, hash] = [BigInt(index), BigInt(size - 1), leaf];
  for (const sibling of proof) {
    if (place & 1n || place === last) {
      hash = nodeHash(sibling, hash);
      // A node without a right neighbour is carried up unchanged to where it has a left one.
      while (place !== 0n && !(place & 1n)) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equal(hash, root);
}

/** Refuses unless the tree of `old` leaves and `oldRoot` is the beginning of the tree of `size` leaves and `root`. */
export function checkConsistency(old: number, oldRoot: Uint8Array, size: number, root: Uint8Array, proof: Uint8Array[]): void {
  if (old > size) throw new Refusal(`the older tree (${old}) is larger than the newer (${size})`);
  const expected = consistencyLength(old, size);
  if (proof.length !== expected) throw new Refusal(`the proof has ${proof.length} hashes where ${expected} are needed`);
  const rootMismatch = new Refusal("the proof does not lead to the root hash");
  const oldMismatch = new Refusal("the proof does not lead to the older root hash");
  if (old === 0 && !equal(oldRoot, emptyRoot())) throw oldMismatch;
  if (old === size) {
    if (!equal(oldRoot, root)) throw rootMismatch;
    return;
  }
  if (old === 0) return;
  const isPower = Number.isInteger(Math.log2(old)) && 2 ** Math.round(Math.log2(old)) === old;
  const [first, rest] = isPower ? [oldRoot, proof] : [proof[0] as Uint8Array, proof.slice(1)];
  let [place, last] = [BigInt(old - 1), BigInt(size - 1)];
  while (place & 1n) {
    place >>= 1n;
    last >>= 1n;
  }
  let [oldHash, newHash] = [first, first];
  for (const sibling of rest) {
    if (place & 1n || place === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (place !== 0n && !(place & 1n)) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    place >>= 1n;
    last >>= 1n;
  }
  if (!equal(oldHash, oldRoot)) throw oldMismatch;
  if (last !== 0n || !equal(newHash, root)) throw rootMismatch;
}

/** The root of a tree whose leaves come one by one, in memory that grows with the logarithm of their number. */
export class TreeRoot {
  private readonly stack: Uint8Array[] = [];
  private leaves = 0;

  push(leaf: Uint8Array): void {
    let right = leaf;
    for (let count = this.leaves; count % 2 === 1; count = (count - 1) / 2) right = nodeHash(this.stack.pop() as Uint8Array, right);
    this.stack.push(right);
    this.leaves++;
  }

  root(): Uint8Array {
    const parts = [...this.stack];
    let right = parts.pop();
    if (!right) return emptyRoot();
    for (let left = parts.pop(); left; left = parts.pop()) right = nodeHash(left, right);
    return right;
  }
}
