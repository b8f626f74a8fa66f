// What is done with the bytes of a dossier: they are read piece by piece, in order, and each piece is digested.

import { blake3 } from "@noble/hashes/blake3";

import { concat } from "../core/bytes.js";
import { crc32 } from "../core/crc32.js";
import { makeHashes, RUN_BYTES, type LongDigest } from "../fast/hashes.js";
import type { LongDigests, Piece, Slice, SliceDigests } from "./pieces.js";

/** A part of the work that anybody can do: a piece with its bytes, or a long entry that lies in memory as a whole. */
export type Part = { piece: Piece; bytes: ArrayBuffer } | { long: string; bytes: ArrayBuffer };
export type PartDigests = { slices: SliceDigests[] } | { long: LongDigests };

const LEAF = Uint8Array.of(0);
const hashes = makeHashes();

async function nativeSha256(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Bytes of memory that parts may take; who takes more waits until others have given theirs back. */
export class Room {
  private waiting: (() => void)[] = [];

  constructor(
    private left: number,
    /** The longest entry that may lie in memory as a whole. */
    readonly longest: number,
  ) {}

  async take(bytes: number): Promise<void> {
    while (bytes > this.left) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.left -= bytes;
  }

  give(bytes: number): void {
    this.left += bytes;
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** An entry longer than a piece. SHA-256 goes through it from its first byte to its last, by the browser itself only if it gets all of it at once. */
class LongEntry {
  private readonly digest: LongDigest | null;

  constructor(
    private readonly name: string,
    private readonly whole: Uint8Array<ArrayBuffer> | null,
    isExhibit: boolean,
  ) {
    this.digest = whole ? null : hashes.long(isExhibit);
  }

  take(bytes: ArrayBuffer, before: number): void {
    this.whole?.set(new Uint8Array(bytes), before);
    this.digest?.update(new Uint8Array(bytes));
  }

  end(): Part | LongDigests {
    if (this.whole) return { long: this.name, bytes: this.whole.buffer };
    return { name: this.name, ...(this.digest as LongDigest).digest() };
  }
}

/** Memory for a long entry as a whole, if there is so much. */
async function allocate(length: number, room: Room): Promise<Uint8Array<ArrayBuffer> | null> {
  if (!hashes.isFast || length > room.longest) return null;
  await room.take(length);
  try {
    return new Uint8Array(length);
  } catch {
    room.give(length);
    return null;
  }
}

/** Reads that the browser is asked for at once: to wait for each costs a third more. */
const READS = 2;

/** Reads pieces in order, ahead of who takes them. */
async function* readAhead(file: Blob, pieces: Piece[]): AsyncGenerator<[Piece, ArrayBuffer]> {
  const reads: Promise<ArrayBuffer>[] = [];
  for (const [at, piece] of pieces.entries()) {
    while (reads.length < READS && at + reads.length < pieces.length) {
      const { start, length } = pieces[at + reads.length] as Piece;
      const read = file.slice(start, start + length).arrayBuffer();
      // It is waited for later; a failure must not count as nobody's until then.
      read.catch(() => {});
      reads.push(read);
    }
    const bytes = (await reads.shift()) as ArrayBuffer;
    if (bytes.byteLength !== piece.length) throw new Error("the file became shorter while it was read");
    yield [piece, bytes];
  }
}

/** Reads the pieces. Every part has taken its bytes from `room`; who has digested it gives them back. */
export async function* readParts(file: Blob, pieces: Piece[], room: Room): AsyncGenerator<Part | LongDigests> {
  let entry: LongEntry | null = null;
  for await (const [piece, bytes] of readAhead(file, pieces)) {
    const { name, before, length, all, isExhibit } = piece.slices[0] as Slice;
    if (length < all && before === 0) entry = new LongEntry(name, await allocate(all, room), isExhibit);
    entry?.take(bytes, before);
    await room.take(bytes.byteLength);
    yield { piece, bytes };
    if (entry && before + length === all) {
      yield entry.end();
      entry = null;
    }
  }
}

/** Digests a part. */
export async function digestPart(part: Part): Promise<PartDigests> {
  if ("long" in part) return { long: { name: part.long, sha256: await nativeSha256(part.bytes) } };
  const slices: SliceDigests[] = [];
  for (const slice of part.piece.slices) slices.push(await digestSlice(new Uint8Array(part.bytes, slice.at, slice.length), slice));
  return { slices };
}

async function digestSlice(bytes: Uint8Array<ArrayBuffer>, { name, length, before, all, isExhibit }: Slice): Promise<SliceDigests> {
  const found: SliceDigests = { name, before, length, crc: 0, values: [], leaves: [] };
  const leaves: Promise<Uint8Array>[] = [];
  for (let at = 0; at < length; at += RUN_BYTES) {
    const run = bytes.subarray(at, at + RUN_BYTES);
    found.crc = crc32(run, found.crc);
    if (!isExhibit) continue;
    const fast = hashes.run(run);
    // WebCrypto copies what it is given before the next run takes the place of this one.
    leaves.push(nativeSha256(fast?.leaf() ?? concat(LEAF, run) as Uint8Array<ArrayBuffer>));
    if (fast && all > RUN_BYTES) found.values.push(fast.value((before + at) / RUN_BYTES));
    else if (fast) found.blake3 = fast.digest();
  }
  if (length === all) {
    found.sha256 = await nativeSha256(bytes);
    if (isExhibit && found.values.length === 0) found.blake3 ??= blake3(bytes);
  }
  found.leaves = await Promise.all(leaves);
  return found;
}
