// Dossiers of every shape at which the cutting into pieces changes are digested as by tools that know of no pieces.

import { createHash } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3";

import { toHex } from "../src/core/bytes.js";
import { crc32 } from "../src/core/crc32.js";
import type { Digests } from "../src/core/digests.js";
import { leafHash, TreeRoot } from "../src/core/merkle.js";
import type { Archive } from "../src/core/zip.js";
import { RUN_BYTES } from "../src/fast/hashes.js";
import { digestPart, readParts, Room, type Part } from "../src/ui/digesting.js";
import { Gathered, piecesOf } from "../src/ui/pieces.js";

/** Shorter than the page's, so that less has to be digested. */
const PIECE_BYTES = 2 * RUN_BYTES;
/** Bytes between entries, as headers are. */
const GAP = 100;
const FILE = "data/exhibits/a/files/";
/** The last but one entry is long. Files that are no exhibits have no tree. */
const entriesOf = (small: number): [string, number][] => [
  ["bagit.txt", 55],
  [`${FILE}empty`, 0],
  [`${FILE}tiny`, 1],
  [`${FILE}run`, RUN_BYTES],
  [`${FILE}run and one`, RUN_BYTES + 1],
  [`${FILE}piece`, PIECE_BYTES],
  [`${FILE}piece and one`, PIECE_BYTES + 1],
  ["data/long.jsonl", PIECE_BYTES + 3 * RUN_BYTES],
  ...Array.from({ length: small }, (_, at): [string, number] => [`${FILE}small ${at}`, at % 100]),
  [`${FILE}long`, 2 * PIECE_BYTES + 77_777],
  ["tagmanifest-sha256.txt", 1000],
];

function archiveOf(small: number): { file: Uint8Array<ArrayBuffer>; archive: Archive } {
  const list = entriesOf(small);
  const file = new Uint8Array(list.reduce((sum, [, length]) => sum + length + GAP, 0));
  const words = new Uint32Array(file.buffer, 0, Math.floor(file.length / 4));
  for (let [at, state] = [0, 1]; at < words.length; at++) words[at] = state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  const entries: Archive["entries"] = new Map();
  let start = GAP;
  for (const [name, length] of list) {
    entries.set(name, { start, length, crc: crc32(file.subarray(start, start + length)) });
    start += length + GAP;
  }
  return { file, archive: { entries } as Archive };
}

function expected(bytes: Uint8Array, isExhibit: boolean): Digests {
  const tree = new TreeRoot();
  for (let at = 0; at < bytes.length; at += RUN_BYTES) tree.push(leafHash(bytes.subarray(at, at + RUN_BYTES)));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { size: bytes.length, sha256, blake3: isExhibit ? toHex(blake3(bytes)) : "", tree: isExhibit ? toHex(tree.root()) : "" };
}

/** Digests all, holding parts back and taking the last of them first, as far as there is room for them. */
async function digestAll(file: Blob, archive: Archive, room: Room, most: number): Promise<Map<string, Digests>> {
  const [gathered, held]: [Gathered, Part[]] = [new Gathered(), []];
  const takeOne = async (part: Part): Promise<void> => {
    const found = await digestPart(part);
    if ("long" in found) gathered.addLong(found.long);
    else gathered.addSlices(found.slices);
    room.give(part.bytes.byteLength);
  };
  for await (const read of readParts(file, piecesOf(archive, PIECE_BYTES), room)) {
    if ("bytes" in read) held.push(read);
    else gathered.addLong(read);
    while (held.length >= most) await takeOne(held.pop() as Part);
  }
  while (held.length > 0) await takeOne(held.pop() as Part);
  return gathered.digests(archive);
}

/** What is wrong; nothing if all is well. */
export async function digesting(): Promise<{ run: number; wrong: string[] }> {
  const wrong: string[] = [];
  let run = 0;
  const compare = async (what: string, { file, archive }: ReturnType<typeof archiveOf>, room: Room, most: number): Promise<void> => {
    const found = await digestAll(new Blob([file]), archive, room, most);
    for (const [name, { start, length }] of archive.entries) {
      run++;
      const right = expected(file.subarray(start, start + length), name.startsWith(FILE));
      if (JSON.stringify(found.get(name)) !== JSON.stringify(right)) wrong.push(`${name}, ${what}`);
    }
  };
  const refusal = async (what: string, act: Promise<unknown>, says: string): Promise<void> => {
    run++;
    const problem = await act.then(() => "nothing", (error: unknown) => String(error));
    if (!problem.includes(says)) wrong.push(`${what}: ${problem}`);
  };
  const few = archiveOf(20);
  const all = 4 * few.file.length;
  await compare("more small entries than a piece takes", archiveOf(4200), new Room(2 * all, 2 * all), 6);
  await compare("long entries one after the other", few, new Room(2 * PIECE_BYTES, 0), 1);
  await compare("room for one long entry at a time", few, new Room(4 * PIECE_BYTES, 3 * PIECE_BYTES), 1);
  for (const name of [`${FILE}small 17`, `${FILE}long`]) {
    const { start, length } = few.archive.entries.get(name) as { start: number; length: number };
    const flipped = new Uint8Array(few.file);
    flipped[start + length - 1] = (flipped[start + length - 1] as number) ^ 1;
    await refusal(`a bit of ${name}`, digestAll(new Blob([flipped]), few.archive, new Room(all, 0), 1), name);
  }
  await refusal("a file cut off", digestAll(new Blob([few.file.subarray(0, -GAP - 1)]), few.archive, new Room(all, 0), 1), "became shorter");
  return { run, wrong };
}
