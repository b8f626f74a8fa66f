// Digests every entry of a dossier in workers, as many as the machine has cores.

import type { Digests } from "../core/digests.js";
import { isExhibitFile } from "../core/dossier.js";
import { wrongCrc, type Archive } from "../core/zip.js";
import { NATIVE_BYTES, runJob, type Job, type JobResult } from "./job.js";

/** The source of the worker, which the build puts here. */
declare const WORKER_SOURCE: string;

/** What is longer is digested by two workers at once. */
const SPLIT_BYTES = 16 * 1024 * 1024;
const MAX_WORKERS = 8;

/** How much of long files may lie in memory at once, where the machine has 8 GiB or more; the browser makes a copy of it besides. */
const MEMORY_BYTES = 1024 * 1024 * 1024;
const MEMORY_GIB = 8;

export type ToWorker = { file: Blob; jobs: Job[] };
export type FromWorker = { bytes: number } | { results: JobResult[] } | { error: string };

/** Jobs that are given to a worker together, so that thousands of small entries do not wait for messages. */
const BATCH_BYTES = 4 * 1024 * 1024;

function jobsOf(archive: Archive): Job[] {
  return [...archive.entries].flatMap(([name, { start, length }]): Job[] => {
    const job = { name, start, length };
    const pieces = isExhibitFile(name);
    if (!pieces || length <= SPLIT_BYTES) return [{ ...job, whole: true, crc: true, pieces }];
    return [
      { ...job, whole: true, crc: true, pieces: false },
      { ...job, whole: false, crc: false, pieces: true },
    ];
  });
}

/** The longest first, so that no worker is left with a long one at the end. */
function batchesOf(jobs: Job[]): Job[][] {
  const batches: Job[][] = [];
  let [batch, bytes]: [Job[], number] = [[], 0];
  for (const job of [...jobs].sort((a, b) => b.length - a.length)) {
    batch.push(job);
    bytes += job.length;
    if (bytes < BATCH_BYTES && batch.length < 256) continue;
    batches.push(batch);
    [batch, bytes] = [[], 0];
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}

/** Tells how much of the work is done. */
export type Progress = (done: number, total: number) => void;

/** Digests every entry of the archive that this file is. */
export async function digestFile(file: Blob, archive: Archive, progress: Progress): Promise<Map<string, Digests>> {
  const jobs = jobsOf(archive);
  const total = jobs.reduce((sum, job) => sum + job.length, 0);
  const results = new Map<string, JobResult>();
  let done = 0;
  const onBytes = (bytes: number): void => progress((done += bytes), total);
  const queue = batchesOf(jobs);
  const memory = new Memory();
  const work = async (run: (batch: Job[]) => Promise<JobResult[]>): Promise<void> => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      const given = memory.give(batch);
      const found = await run(batch);
      memory.takeBack(given);
      batch.forEach((job, at) => results.set(job.name, { ...results.get(job.name), ...found[at] }));
    }
  };
  const wanted = Math.min(Math.max(navigator.hardwareConcurrency || 2, 2), MAX_WORKERS, queue.length);
  const workers = startWorkers(wanted);
  try {
    if (workers.length === 0) await work((batch) => inPage(file, batch, onBytes));
    else await Promise.all(workers.map((worker) => work((batch) => inWorker(worker, { file, jobs: batch }, onBytes))));
  } finally {
    for (const worker of workers) worker.terminate();
  }
  return join(archive, results);
}

/** The memory that long files may take. */
class Memory {
  private left = ((navigator as { deviceMemory?: number }).deviceMemory ?? 0) >= MEMORY_GIB ? MEMORY_BYTES : 0;

  /** Lets the long jobs of a batch lie in memory as far as there is any; says how much was given. */
  give(batch: Job[]): number {
    let given = 0;
    for (const job of batch) {
      job.inMemory = job.whole && job.length > NATIVE_BYTES && job.length <= this.left - given;
      if (job.inMemory) given += job.length;
    }
    this.left -= given;
    return given;
  }

  takeBack(given: number): void {
    this.left += given;
  }
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

async function inPage(file: Blob, batch: Job[], onBytes: (bytes: number) => void): Promise<JobResult[]> {
  const results: JobResult[] = [];
  for (const job of batch) results.push(await runJob(file, job, onBytes));
  return results;
}

function inWorker(worker: Worker, message: ToWorker, onBytes: (bytes: number) => void): Promise<JobResult[]> {
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message || "a worker could not be started"));
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ("bytes" in data) onBytes(data.bytes);
      else if ("results" in data) resolve(data.results);
      else reject(new Error(data.error));
    };
    worker.postMessage(message);
  });
}

function join(archive: Archive, results: Map<string, JobResult>): Map<string, Digests> {
  const digests = new Map<string, Digests>();
  for (const [name, { length, crc }] of archive.entries) {
    const found = results.get(name);
    if (!found || found.sha256 === undefined) throw new Error(`no digest was made of ${name}`);
    if (found.crc !== crc) throw wrongCrc(name);
    digests.set(name, { size: length, sha256: found.sha256, blake3: found.blake3 ?? "", tree: found.tree ?? "" });
  }
  return digests;
}
