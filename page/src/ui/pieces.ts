// How a dossier is cut into pieces, which are read once each and digested in any order, and how digests of pieces become digests of entries.

import { toHex } from "../core/bytes.js";
import { joinCrc32 } from "../core/crc32.js";
import type { Digests } from "../core/digests.js";
import { isExhibitFile } from "../core/dossier.js";
import { TreeRoot } from "../core/merkle.js";
import { wrongCrc, type Archive } from "../core/zip.js";
import { blake3OfRuns, RUN_BYTES } from "../fast/hashes.js";

/** The longest piece. What is longer is cut after whole runs; shorter entries that lie together share one, since each read costs a question to the browser. */
const PIECE_BYTES = 32 * RUN_BYTES;
/** The most entries of a piece, so that one does not take longer than others because its entries are tiny. */
const MOST_SLICES = 4096;

/** What of an entry lies in a piece. */
export interface Slice {
  name: string;
  /** Where it begins in the piece. */
  at: number;
  length: number;
  /** Bytes of the entry before it. */
  before: number;
  /** Bytes of the entry. */
  all: number;
  /** Whether BLAKE3 and the tree over leaves of 1 MiB are asked for as well. */
  isExhibit: boolean;
}

/** Bytes of the file that are read at once. */
export interface Piece {
  start: number;
  length: number;
  slices: Slice[];
}

/** Digests of a slice. */
export interface SliceDigests {
  name: string;
  before: number;
  length: number;
  crc: number;
  /** Of a whole entry. */
  sha256?: Uint8Array;
  /** Of a whole entry of one run. */
  blake3?: Uint8Array;
  /** BLAKE3's chaining values of the runs. */
  values: Uint8Array[];
  /** The hashes of the tree's leaves. */
  leaves: Uint8Array[];
}

/** Digests of a long entry that went through its pieces in order. */
export interface LongDigests {
  name: string;
  sha256: Uint8Array;
  /** Where the runs' chaining values were not to be had. */
  blake3?: Uint8Array;
}

/** The pieces in the order of the file. */
export function piecesOf(archive: Archive, most = PIECE_BYTES): Piece[] {
  const pieces: Piece[] = [];
  let open: Piece | null = null;
  for (const [name, { start, length }] of [...archive.entries].sort(([, a], [, b]) => a.start - b.start)) {
    const isExhibit = isExhibitFile(name);
    if (length > most) {
      open = null;
      for (let before = 0; before < length; before += most) {
        const part = Math.min(most, length - before);
        pieces.push({ start: start + before, length: part, slices: [{ name, at: 0, length: part, before, all: length, isExhibit }] });
      }
      continue;
    }
    if (!open || start + length - open.start > most || open.slices.length === MOST_SLICES) {
      open = { start, length: 0, slices: [] };
      pieces.push(open);
    }
    open.slices.push({ name, at: start - open.start, length, before: 0, all: length, isExhibit });
    open.length = start + length - open.start;
  }
  return pieces;
}

/** Gathers digests of pieces, in whatever order they come. */
export class Gathered {
  private readonly slices = new Map<string, SliceDigests[]>();
  private readonly long = new Map<string, LongDigests>();

  addSlices(found: SliceDigests[]): void {
    for (const slice of found) {
      const others = this.slices.get(slice.name);
      if (others) others.push(slice);
      else this.slices.set(slice.name, [slice]);
    }
  }

  addLong(found: LongDigests): void {
    this.long.set(found.name, found);
  }

  /** The digests of every entry; an error if some are missing, or bytes are not those of which the directory has the CRC-32. */
  digests(archive: Archive): Map<string, Digests> {
    const digests = new Map<string, Digests>();
    for (const [name, { length, crc }] of archive.entries) {
      const slices = (this.slices.get(name) ?? []).sort((a, b) => a.before - b.before);
      const [sum, seen] = slices.reduce(([sum, seen], slice) => [joinCrc32(sum, slice.crc, slice.length), seen + slice.length], [0, 0]);
      const sha256 = slices[0]?.sha256 ?? this.long.get(name)?.sha256;
      if (!sha256 || seen !== length) throw new Error(`no digest was made of ${name}`);
      if (sum !== crc) throw wrongCrc(name);
      digests.set(name, { size: length, sha256: toHex(sha256), ...this.exhibit(name, slices) });
    }
    return digests;
  }

  private exhibit(name: string, slices: SliceDigests[]): { blake3: string; tree: string } {
    if (!isExhibitFile(name)) return { blake3: "", tree: "" };
    const tree = new TreeRoot();
    for (const leaf of slices.flatMap((slice) => slice.leaves)) tree.push(leaf);
    const blake3 = slices[0]?.blake3 ?? this.long.get(name)?.blake3 ?? blake3OfRuns(slices.flatMap((slice) => slice.values));
    return { blake3: toHex(blake3), tree: toHex(tree.root()) };
  }
}
