// The manifest: what an exhibit consists of, and what was recorded at intake. Source: docs/spec/exhibit.md §7.

import { concat, equal, fromHex, Refusal, toHex, toUtf8, utf8 } from "./bytes.js";
import { digest, id } from "./body.js";
import { line, prose } from "./cobblestone.js";
import { emptyDigests, type Digests } from "./digests.js";
import { array, boolean, i64, object, optional, readStrict, string, text, u64, u8, word, type Codec } from "./json.js";
import { display, pathFault } from "./path.js";
import { sha256 } from "./primitives.js";
import { claimedTime, date } from "./time.js";

const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 200_000;
const MAX_STREAM_BYTES = 1n << 44n;
const SEGMENT_BYTES = 8_388_608n;
const COMMITMENT_LABEL = toUtf8("custodia/manifest-commitment/v1");
const DERIVATION_LABEL = toUtf8("custodia/derivation/v1");

const CATEGORIES = ["suspect", "convicted", "victim", "witness", "other"] as const;
const categories: Codec<string[]> = (json, strict) => {
  const words = array(word(...CATEGORIES))(json, strict);
  const places = words.map((one) => CATEGORIES.indexOf(one));
  if (places.some((place, at) => at > 0 && place <= (places[at - 1] as number))) {
    throw new Refusal("a category twice, or not in the order of the specification");
  }
  return words;
};
const mediaName = "[a-z0-9][a-z0-9!#$&^_.+-]{0,126}";
const mediaType = text(
  (value) => new RegExp(`^${mediaName}/${mediaName}$`).test(value),
  "a media type is type/subtype in lower case, without parameters",
);
const state = text((value) => /^[A-Z]{2}$/.test(value), "a state is two upper-case letters");

const intakeCodec = object({
  exhibit_number: line(64),
  root_exhibit_number: optional(line(64)),
  title: line(512),
  description: optional(prose(16384)),
  kind: word("document", "chat_export", "phone_image", "disk_image", "video", "audio", "recorded_interview", "bank_records", "other"),
  collected: object({ by: line(512), at: claimedTime, place: line(512) }),
  source: object({
    person: optional(line(512)),
    device: optional(object({ make: line(128), model: line(128), serial: optional(line(128)), clock_deviation_seconds: optional(i64) })),
  }),
  acquisition: object({ method: line(512), tool: optional(line(128)), tool_version: optional(line(64)), write_blocker: optional(line(128)) }),
  seal_number: optional(line(64)),
  legal_basis: object({
    type: word("jit", "eio", "epoc", "epoc_pr", "mla", "warrant", "other"),
    identifier: line(128),
    authority: line(512),
    state,
    valid_from: date,
    valid_to: optional(date),
  }),
  handling: word("H0", "H1", "H2", "H3"),
  handling_restriction: optional(prose(4096)),
  evaluation: object({ source: word("A", "B", "C", "X"), information: word("1", "2", "3", "4") }),
  person_categories: categories,
  special_category: boolean,
  child: boolean,
  derived_from: optional(object({ exhibit: id, how: word("copy", "extract", "redaction", "translation", "transcript") })),
  review_date: date,
});
const manifestCodec = object({
  version: u8,
  exhibit: id,
  case: id,
  salt: digest,
  stream_len: u64,
  segment_size: u64,
  intake: intakeCodec,
  files: array(
    object({
      path: string,
      path_bytes: optional(text((value) => fromHex(value) !== null, "path bytes are hexadecimal digits")),
      media_type: mediaType,
      size: u64,
      sha256: digest,
      blake3: digest,
      tree: digest,
      modified: optional(claimedTime),
      offset: u64,
    }),
    MAX_FILES,
  ),
});

export type Manifest = ReturnType<typeof manifestCodec>;
export type Intake = Manifest["intake"];
export type FileEntry = Manifest["files"][number];

/** The path exactly as it was collected; show it by `display`. */
export function rawPath(file: FileEntry): Uint8Array {
  return file.path_bytes === undefined ? toUtf8(file.path) : (fromHex(file.path_bytes) as Uint8Array);
}

function rejected(rule: string): Refusal {
  return new Refusal(`the manifest is rejected by rule ${rule}`);
}

/** Reads a manifest and checks every rule that it keeps by itself. */
export function parseManifest(json: Uint8Array): Manifest {
  if (json.length > MAX_MANIFEST_BYTES) throw new Refusal(`the manifest exceeds the limit of ${MAX_MANIFEST_BYTES} bytes`);
  const manifest = readStrict(json, manifestCodec);
  if (manifest.version !== 1) throw rejected("Version");
  if (manifest.segment_size !== SEGMENT_BYTES) throw rejected("SegmentSize");
  if (manifest.files.length === 0) throw rejected("FileCount");
  checkIntake(manifest);
  let end = 0n;
  for (const file of manifest.files) {
    checkFile(file);
    if (file.offset !== end) throw rejected("Offsets");
    end += file.size;
    if (end >= 1n << 64n) throw rejected("StreamLength");
  }
  if (manifest.stream_len !== end || end > MAX_STREAM_BYTES) throw rejected("StreamLength");
  checkPathsTogether(manifest.files);
  return manifest;
}

function checkIntake({ intake, exhibit }: Manifest): void {
  if ((intake.handling === "H3") !== (intake.handling_restriction !== undefined)) throw rejected("RestrictionText");
  const { valid_from: from, valid_to: to } = intake.legal_basis;
  if (to !== undefined && to < from) throw rejected("LegalValidity");
  if (intake.source.person === undefined && intake.source.device === undefined) throw rejected("SourceNamed");
  if (intake.derived_from?.exhibit === exhibit) throw rejected("DerivedFromItself");
}

function checkFile(file: FileEntry): void {
  const raw = rawPath(file);
  const fault = pathFault(raw);
  if (fault) throw rejected(fault);
  if (file.path_bytes !== undefined && (utf8(raw) !== null || file.path !== display(raw))) throw rejected("PathBytes");
  if (file.size === 0n && !sameDigests(file, emptyDigests())) throw rejected("TreeOfSize");
}

function checkPathsTogether(files: FileEntry[]): void {
  // Bytes as a text of one character each, so that paths that are not UTF-8 can be compared too.
  const texts = files.map((file) => toHex(rawPath(file)));
  const all = new Set<string>();
  for (const path of texts) {
    if (all.has(path)) throw rejected("PathTwice");
    all.add(path);
  }
  for (const path of texts) {
    for (let at = 0; at < path.length; at += 2) {
      if (path.startsWith("2f", at) && all.has(path.slice(0, at))) throw rejected("PathInsideFile");
    }
  }
}

/** Whether a file's bytes are those that the manifest names. */
export function sameDigests(file: FileEntry, found: Digests): boolean {
  return file.size === BigInt(found.size) && file.sha256 === found.sha256 && file.blake3 === found.blake3 && file.tree === found.tree;
}

/** Reads the manifest and checks it against the commitment that the collection signed, and exhibit and case of the record. */
export function openManifest(json: Uint8Array, commitment: string, exhibit: string, caseId: string): Manifest {
  const manifest = parseManifest(json);
  const found = sha256(COMMITMENT_LABEL, fromHex(manifest.salt) as Uint8Array, json);
  if (!equal(found, fromHex(commitment) as Uint8Array)) throw new Refusal("the manifest is not the one that was committed to");
  if (manifest.exhibit !== exhibit || manifest.case !== caseId) throw rejected("OtherExhibit");
  return manifest;
}

/** The commitment by which a derivation names the other exhibit. */
export function derivationCommitment(salt: string, exhibit: string): string {
  return toHex(sha256(concat(DERIVATION_LABEL, fromHex(salt) as Uint8Array, fromHex(exhibit) as Uint8Array)));
}
