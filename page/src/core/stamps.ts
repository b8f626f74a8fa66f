// Checks LOG-05 to LOG-07: stamped checkpoints, their stamps, and what they say of the times of records. Source: docs/spec/dossier.md.

import { decimal, equal, Refusal, textLines } from "./bytes.js";
import { problemOf } from "./chain.js";
import type { Findings } from "./findings.js";
import { checkConsistency, proofOf } from "./merkle.js";
import { stampedBytes, verifyCheckpoint, type Checkpoint } from "./note.js";
import type { Core, RecordView } from "./record.js";
import { judgeStamp } from "./stamp.js";
import { showMillis } from "./time.js";
import type { Trust } from "./trust.js";
import type { Archive } from "./zip.js";

const FOLDER = "custody/checkpoints/";
/** The most bytes of a checkpoint, of a proof (63 lines of 64 digits) and of a stamp. */
const MAX_NOTE_BYTES = 128 * 1024;
const MAX_PROOF_BYTES = 63 * 65;
const MAX_STAMP_BYTES = 64 * 1024;

/** A genuine stamp of a checkpoint that LOG-05 found good. Times are milliseconds since 1970. */
export interface Stamp {
  size: number;
  number: number;
  authority: string;
  serial: string;
  earliest: number;
  latest: number;
}

/** What the stamps say of a record's time. */
export interface StampedTime {
  is: "proven" | "stated" | "contradicted";
  /** The latest genuine stamp before the record, and the earliest after it. */
  after: Stamp | null;
  before: Stamp | null;
}

/** What stands in the folder for one size. */
interface Kept {
  size: number;
  hasCheckpoint: boolean;
  hasProof: boolean;
  stamps: number[];
}

/** LOG-05 and LOG-06; gives the genuine stamps by size and number. */
export async function checkStamps(archive: Archive, final: Checkpoint, trust: Trust, findings: Findings): Promise<Stamp[]> {
  const names = archive.names().filter((name) => name.startsWith(FOLDER));
  if (names.length === 0) return [];
  const kept = new Map<number, Kept>();
  for (const name of names.sort()) {
    if (!take(kept, name.slice(FOLDER.length))) {
      findings.failed("LOG-05", name, "no file of that name belongs among the stamped checkpoints");
    }
  }
  const genuine: Stamp[] = [];
  const good: number[] = [];
  const judged: (() => Promise<void>)[] = [];
  for (const one of [...kept.values()].sort((a, b) => a.size - b.size)) {
    try {
      const stamped = await readCheckpoint(archive, one, final, trust);
      good.push(one.size);
      judged.push(() => judgeStamps(archive, one, stamped, trust, findings, genuine));
    } catch (error) {
      findings.failed("LOG-05", `${FOLDER}${one.size}`, problemOf(error));
    }
  }
  if (good.length > 0 && !findings.hasFailed("LOG-05")) {
    findings.passed("LOG-05", `${good.length} stamped checkpoints`, "the log signed each, and each is the beginning of the final tree");
  }
  for (const judge of judged) await judge();
  return genuine;
}

/** Puts a file where it belongs; says whether it belongs anywhere. */
function take(kept: Map<number, Kept>, name: string): boolean {
  const [, sizeText, rest] = /^([0-9]+)((?:\.[0-9]+)?(?:\.tsr|\.proof)?)$/.exec(name) ?? [];
  const size = sizeText === undefined ? null : decimal(sizeText);
  const number = /^\.([0-9]+)\.tsr$/.exec(rest ?? "")?.[1];
  const isStamp = number !== undefined && number !== "0" && decimal(number) !== null;
  if (size === null || size > 2n ** 48n || !(rest === "" || rest === ".proof" || isStamp)) return false;
  const one = kept.get(Number(size)) ?? { size: Number(size), hasCheckpoint: false, hasProof: false, stamps: [] };
  kept.set(one.size, one);
  if (rest === "") one.hasCheckpoint = true;
  else if (rest === ".proof") one.hasProof = true;
  else one.stamps.push(Number(number));
  return true;
}

/** The stamped bytes of a good checkpoint. */
async function readCheckpoint(archive: Archive, kept: Kept, final: Checkpoint, trust: Trust): Promise<Uint8Array> {
  const path = `${FOLDER}${kept.size}`;
  if (!kept.hasCheckpoint) throw new Refusal("its checkpoint is missing");
  if (!kept.hasProof) throw new Refusal("its consistency proof is missing");
  const numbers = kept.stamps.sort((a, b) => a - b);
  if (numbers.length === 0 || numbers.some((number, at) => number !== at + 1)) {
    throw new Refusal("it has no time stamp, or their numbers have a gap");
  }
  const bytes = await readLimited(archive, path, MAX_NOTE_BYTES);
  const checkpoint = verifyCheckpoint(bytes, trust.log);
  if (checkpoint.size !== kept.size) throw new Refusal(`it is of size ${checkpoint.size}`);
  if (!equal(bytes, stampedBytes(checkpoint, trust.log))) throw new Refusal("it holds more than the bytes that are stamped");
  const text = await readLimited(archive, `${path}.proof`, MAX_PROOF_BYTES);
  // One hash a line, and each line ends; an empty line is a proof of none.
  const lines = textLines(text.length === 1 && text[0] === 10 ? new Uint8Array() : text);
  const proof = lines && proofOf([...lines]);
  if (!proof) throw new Refusal("its consistency proof is malformed");
  checkConsistency(checkpoint.size, checkpoint.root, final.size, final.root, proof);
  return bytes;
}

/** Reads a file of a size that such a file can have. */
async function readLimited(archive: Archive, path: string, limit: number): Promise<Uint8Array> {
  if ((archive.entries.get(path)?.length ?? 0) > limit) throw new Refusal(`${path} is larger than ${limit} bytes`);
  return (await archive.read(path, limit)) as Uint8Array;
}

async function judgeStamps(archive: Archive, kept: Kept, stamped: Uint8Array, trust: Trust, findings: Findings, genuine: Stamp[]): Promise<void> {
  for (const number of kept.stamps) {
    const path = `${FOLDER}${kept.size}.${number}.tsr`;
    try {
      const worth = await judgeStamp(await readLimited(archive, path, MAX_STAMP_BYTES), stamped, trust.tsaRoots);
      if ("nothing" in worth) {
        findings.notChecked("LOG-06", path, worth.nothing);
        continue;
      }
      genuine.push({ size: kept.size, number, ...worth.genuine });
      const { authority, earliest, latest } = worth.genuine;
      const when = earliest === latest ? showMillis(earliest) : `${showMillis(earliest)} to ${showMillis(latest)}`;
      findings.passed("LOG-06", path, `${authority} stamped the tree of ${kept.size} records: ${when}; no revocation list was asked for`);
    } catch (error) {
      findings.failed("LOG-06", path, problemOf(error));
    }
  }
}

/** LOG-07: what the stamps say of the time of each record of an exhibit's chain, by its index; `cores` are those that could be read. */
export function timesOf(views: RecordView[], cores: Core[], stamps: Stamp[], trust: Trust, findings: Findings): Map<number, StampedTime> {
  const times = new Map<number, StampedTime>();
  let contradicted = false;
  let stated = views.length - cores.length;
  for (const core of cores) {
    const time = timeOf(core.index, core.millis, stamps, trust.stampWindowMillis);
    times.set(core.index, time);
    if (time.is === "stated") stated += 1;
    if (time.is !== "contradicted") continue;
    contradicted = true;
    findings.failed("LOG-07", `record ${core.index}`, "the log's time of it lies outside the time stamps before and after it");
  }
  if (contradicted) return times;
  if (stated > 0 || views.length === 0) {
    findings.notChecked("LOG-07", `${stated} records`, "their times are the log's own statement: no genuine stamps stand on both sides, close enough together");
  } else {
    findings.passed("LOG-07", `${views.length} records`, "the log's time of each lies between two genuine time stamps");
  }
  return times;
}

function timeOf(index: number, millis: number, stamps: Stamp[], window: number | null): StampedTime {
  const before = stamps.filter((stamp) => stamp.size <= index);
  const after = stamps.filter((stamp) => stamp.size > index);
  const lower = before.reduce<Stamp | null>((best, stamp) => (best && best.earliest >= stamp.earliest ? best : stamp), null);
  const upper = after.reduce<Stamp | null>((best, stamp) => (best && best.latest <= stamp.latest ? best : stamp), null);
  const outside = (lower && millis < lower.earliest) || (upper && millis > upper.latest);
  const near = lower && upper && (window === null || upper.latest - lower.earliest <= window);
  return { is: outside ? "contradicted" : near ? "proven" : "stated", after: lower, before: upper };
}
