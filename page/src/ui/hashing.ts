// Digests every entry of a dossier: one worker reads, as many as the machine has cores digest.

import type { Digests } from "../core/digests.js";
import type { Archive } from "../core/zip.js";
import { digestPart, readParts, Room, type Part, type PartDigests } from "./digesting.js";
import { Gathered, piecesOf, type Piece } from "./pieces.js";

/** The source of the worker, which the build puts here. */
declare const WORKER_SOURCE: string;

const MAX_DIGESTERS = 8;
const MIB = 1024 * 1024;
/** What pieces that are read and not yet digested may take. */
const AHEAD_BYTES = 256 * MIB;

export type ToWorker = { file: Blob; pieces: Piece[]; room: number; longest: number } | { given: number } | { part: Part };
export type FromWorker = { part: Part } | { found: PartDigests } | { end: true } | { error: string };

/** The longest entry that may lie in memory as a whole, where the browser digests it several times faster; the browser makes a copy of it besides. */
function longestInMemory(): number {
  const gib = (navigator as { deviceMemory?: number }).deviceMemory ?? 0;
  return (gib >= 8 ? 1024 : 128) * MIB;
}

/** Tells how much of the work is done. */
export type Progress = (done: number, total: number) => void;

/** Digests every entry of the archive that this file is. */
export async function digestFile(file: Blob, archive: Archive, progress: Progress): Promise<Map<string, Digests>> {
  const pieces = piecesOf(archive);
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const gathered = new Gathered();
  let done = 0;
  const add = (found: PartDigests): void => {
    if ("long" in found) {
      gathered.addLong(found.long);
    } else {
      gathered.addSlices(found.slices);
      progress((done += found.slices.reduce((sum, { length }) => sum + length, 0)), total);
    }
  };
  const longest = longestInMemory();
  const room = longest + AHEAD_BYTES;
  const digesters = Math.min(Math.max(navigator.hardwareConcurrency || 2, 2), MAX_DIGESTERS, pieces.length);
  const workers = startWorkers(1 + digesters);
  try {
    const [reader, ...others] = workers;
    if (reader) await inWorkers(reader, others, { file, pieces, room, longest }, add);
    else await inPage(file, pieces, new Room(room, longest), add);
  } finally {
    for (const worker of workers) worker.terminate();
  }
  return gathered.digests(archive);
}

function startWorkers(count: number): Worker[] {
  try {
    const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
    const workers = Array.from({ length: count }, () => new Worker(url));
    URL.revokeObjectURL(url);
    return workers;
  } catch {
    // A browser that allows no workers here does it all in the page.
    return [];
  }
}

async function inPage(file: Blob, pieces: Piece[], room: Room, add: (found: PartDigests) => void): Promise<void> {
  for await (const read of readParts(file, pieces, room)) {
    add("bytes" in read ? await digestPart(read) : { long: read });
    if ("bytes" in read) room.give(read.bytes.byteLength);
  }
}

function inWorkers(reader: Worker, digesters: Worker[], task: ToWorker, add: (found: PartDigests) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const [queue, idle]: [Part[], Worker[]] = [[], [...digesters]];
    let isRead = false;
    const listen = (worker: Worker, take: (message: FromWorker) => void): void => {
      worker.onerror = (event) => reject(new Error(event.message || "a worker could not be started"));
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => ("error" in data ? reject(new Error(data.error)) : take(data));
    };
    const give = (worker: Worker, part: Part): void => {
      const given = part.bytes.byteLength;
      listen(worker, (message) => {
        if ("found" in message) add(message.found);
        reader.postMessage({ given } satisfies ToWorker);
        idle.push(worker);
        goOn();
      });
      worker.postMessage({ part } satisfies ToWorker, [part.bytes]);
    };
    const goOn = (): void => {
      while (idle.length > 0 && queue.length > 0) give(idle.pop() as Worker, queue.shift() as Part);
      if (isRead && queue.length === 0 && idle.length === digesters.length) resolve();
    };
    for (const worker of digesters) listen(worker, () => {});
    listen(reader, (message) => {
      if ("part" in message) queue.push(message.part);
      else if ("found" in message) add(message.found);
      else isRead = true;
      goOn();
    });
    reader.postMessage(task);
  });
}
