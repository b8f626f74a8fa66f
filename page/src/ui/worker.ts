// A worker: reads the dossier for the page, or digests what another has read.

import { install } from "../core/primitives.js";
import { webPrimitives } from "../web-primitives.js";
import { digestPart, readParts, Room } from "./digesting.js";
import type { FromWorker, ToWorker } from "./hashing.js";

install(webPrimitives);

const answer = (message: FromWorker, bytes?: ArrayBuffer): void => self.postMessage(message, { transfer: bytes ? [bytes] : [] });
let room: Room | null = null;

self.onmessage = async ({ data }: MessageEvent<ToWorker>): Promise<void> => {
  try {
    if ("given" in data) {
      room?.give(data.given);
    } else if ("part" in data) {
      answer({ found: await digestPart(data.part) });
    } else {
      room = new Room(data.room, data.longest);
      for await (const read of readParts(data.file, data.pieces, room)) {
        if ("bytes" in read) answer({ part: read }, read.bytes);
        else answer({ found: { long: read } });
      }
      answer({ end: true });
    }
  } catch (error) {
    answer({ error: String(error) });
  }
};
