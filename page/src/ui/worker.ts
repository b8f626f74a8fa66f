// The worker: digests the entries that it is given.

import { install } from "../core/primitives.js";
import { webPrimitives } from "../web-primitives.js";
import type { FromWorker, ToWorker } from "./hashing.js";
import { runJob, type JobResult } from "./job.js";

install(webPrimitives);

const answer = (message: FromWorker): void => self.postMessage(message);

self.onmessage = async ({ data }: MessageEvent<ToWorker>): Promise<void> => {
  try {
    const results: JobResult[] = [];
    for (const job of data.jobs) results.push(await runJob(data.file, job, (bytes) => answer({ bytes })));
    answer({ results });
  } catch (error) {
    answer({ error: String(error) });
  }
};
