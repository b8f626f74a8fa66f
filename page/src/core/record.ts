// Records as a dossier shows them: parts opened or closed, the commitment that they make together, places in chains.
// Source: docs/spec/custody.md, Record, Commitment and leaf, Receipt.

import { concat, fromBase64, fromHex, isDigest, Reader, Refusal, toHex, toUtf8, utf8 } from "./bytes.js";
import { bytesBy, object, text, u64, type Codec, type Json } from "./json.js";
import { sha256 } from "./primitives.js";
import { MAX_LOG_MILLIS } from "./time.js";

const MAX_INTENT_BYTES = 192 * 1024;
const MAX_INDEX = 2n ** 48n;

type PartView = { bytes: Uint8Array; salt: Uint8Array } | { commitment: string };

const opened = object({
  bytes: bytesBy(fromBase64, "not Base64"),
  salt: bytesBy(fromHex, "not hexadecimal digits"),
});
const closed = object({ commitment: text(isDigest, "a digest is 64 lower-case hexadecimal digits") });
const part: Codec<PartView> = (json: Json, strict: boolean) => {
  const isClosed = json.kind === "object" && json.members.some(([name]) => name === "commitment");
  return isClosed ? closed(json, strict) : opened(json, strict);
};

/** A record as it is shown; nothing is checked. */
export interface RecordView {
  /** Index in the log, as claimed by whoever shows it. */
  index: bigint;
  core: PartView;
  case: PartView;
  exhibit: PartView;
}
export const recordView: Codec<RecordView> = object({ index: u64, core: part, case: part, exhibit: part });

/** The core part: what was stated, where it stands, what became of it. */
export interface Core {
  index: number;
  /** The log's time, milliseconds since 1970. */
  millis: number;
  /** The rule that refused it; null if it was accepted. */
  refusedBy: string | null;
  intent: string;
}

/** A place in a chain: which chain, which number, and the commitment of the record before. */
export interface Place {
  chain: string;
  seq: bigint;
  previous: string | null;
}

/** The opened parts of a record, consistent with its commitment. Whether a log holds it is another question. */
export interface OpenedRecord {
  commitment: string;
  core: Core | null;
  /** Null if the part is closed. */
  case: Place | null;
  /** Null if the part is closed or the record concerns no exhibit. */
  exhibit: Place | null;
}

function refusal(problem: string): Refusal {
  return new Refusal(`malformed record: ${problem}`);
}

const PART_LABEL = toUtf8("custodia/part/");
const LEAF_LABEL = toUtf8("custodia/leaf/v1");

function commit(name: "core" | "case" | "exhibit", view: PartView): Uint8Array {
  if ("commitment" in view) return fromHex(view.commitment) as Uint8Array;
  if (view.salt.length !== 32) throw refusal("a salt is 32 bytes");
  return sha256(PART_LABEL, toUtf8(name), view.salt, view.bytes);
}

/** Computes a record's commitment and reads what is opened. */
export function openRecord(view: RecordView): OpenedRecord {
  const commitment = toHex(sha256(LEAF_LABEL, commit("core", view.core), commit("case", view.case), commit("exhibit", view.exhibit)));
  const core = "bytes" in view.core ? readCore(view.core.bytes) : null;
  if (core && BigInt(core.index) !== view.index) throw refusal("the core part holds another index than the one it is shown under");
  const place = "bytes" in view.case ? readPlace(view.case.bytes) : null;
  const exhibit = "bytes" in view.exhibit && view.exhibit.bytes.length > 0 ? readPlace(view.exhibit.bytes) : null;
  return { commitment, core, case: place, exhibit };
}

/** The leaf data of the tree for a record's commitment. */
export function entryOf(commitment: string): Uint8Array {
  return concat(Uint8Array.of(1), fromHex(commitment) as Uint8Array);
}

function readCore(bytes: Uint8Array): Core {
  const reader = new Reader(bytes);
  const need = <T>(value: T | null): T => {
    if (value === null) throw refusal("the core part ends early");
    return value;
  };
  if (reader.small(1) !== 1) throw refusal("not a core part of version 1");
  const index = need(reader.number(8));
  if (index >= MAX_INDEX) throw refusal("no log has so many records");
  const millis = need(reader.number(8));
  if (millis > BigInt(MAX_LOG_MILLIS)) throw refusal("the time lies past the year 9999");
  const outcome = need(reader.small(1));
  const rule = utf8(need(reader.take(need(reader.small(1)))));
  if (rule === null) throw refusal("the rule id is not ASCII");
  if (!(outcome === 0 && rule === "") && !(outcome === 1 && /^[A-Z0-9-]{1,15}$/.test(rule))) {
    throw refusal("the outcome is neither accepted nor refused by a rule");
  }
  const attempts = need(reader.small(4));
  if (attempts === 0 || (attempts > 1 && outcome === 0)) throw refusal("only refusals are counted, from one");
  const length = need(reader.small(4));
  if (length === 0 || length > MAX_INTENT_BYTES || length !== reader.left) {
    throw refusal("the intent's length is not that of the bytes that follow");
  }
  const intent = utf8(need(reader.take(length)));
  if (intent === null) throw refusal("the intent is not text");
  return { index: Number(index), millis: Number(millis), refusedBy: outcome === 0 ? null : rule, intent };
}

const NO_COMMITMENT = "0".repeat(64);

function readPlace(bytes: Uint8Array): Place {
  if (bytes.length !== 57) throw refusal("a place is 57 bytes");
  const reader = new Reader(bytes);
  if (reader.small(1) !== 1) throw refusal("not a place of version 1");
  const chain = toHex(reader.take(16) as Uint8Array);
  const seq = reader.number(8) as bigint;
  const before = toHex(reader.take(32) as Uint8Array);
  const previous = before === NO_COMMITMENT ? null : before;
  if ((previous !== null) !== seq > 0n) throw refusal("exactly the first record of a chain names no previous one");
  return { chain, seq, previous };
}

/** Walks along a chain: each record follows the one before it, or is told why not. */
export class ChainWalk {
  private seq = 0n;
  /** The commitment of the last record passed. */
  head: string | null = null;
  private index: bigint | null = null;
  private millis: number | null = null;

  constructor(private readonly chain: string) {}

  /** Passes a record whose place in this chain is `place`; says all that is wrong with it and goes on from it. */
  step(index: bigint, record: OpenedRecord, place: Place | null): string[] {
    const faults: string[] = [];
    if (!place || place.chain !== this.chain || place.seq !== this.seq || place.previous !== this.head) {
      faults.push("it does not follow the record before it in the chain");
    }
    if (this.index !== null && this.index >= index) faults.push("its index is not greater than that of the record before it");
    const millis = record.core?.millis ?? null;
    if (this.millis !== null && millis !== null && this.millis > millis) {
      faults.push("its time lies before that of the record before it");
    }
    this.seq += 1n;
    this.head = record.commitment;
    this.index = index;
    this.millis = millis ?? this.millis;
    return faults;
  }
}
