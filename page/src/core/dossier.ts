// What a dossier holds and what it says of itself: paths, `dossier.json`, files of records. Source: docs/spec/dossier.md.

import { isBlank, Refusal, textLines, toUtf8 } from "./bytes.js";
import { id } from "./body.js";
import { isPersonId } from "./certificate.js";
import { problemOf } from "./chain.js";
import { count, type Findings } from "./findings.js";
import { array, nullable, object, parse, read, readStrict, string, text, u32, word } from "./json.js";
import { recordView, type RecordView } from "./record.js";
import { claimedTime } from "./time.js";
import type { Trust } from "./trust.js";
import type { Archive } from "./zip.js";

/** The largest list or record file that is read into memory, in bytes. */
export const MAX_TEXT_BYTES = 2 ** 30;
/** The largest `dossier.json`, in bytes. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024;
/** How many faults of one list are told; who reads on after that learns nothing more. */
export const MOST_FAULTS = 1000;
const VERSION = 1;

export const PATHS = {
  bagit: "bagit.txt",
  manifest: "manifest-sha256.txt",
  tagManifest: "tagmanifest-sha256.txt",
  index: "data/dossier.json",
  checkpoint: "custody/checkpoint",
  registry: "custody/registry.ndjson",
  registryProof: "custody/registry.proof",
  data: (exhibit: string, name: string): string => `data/exhibits/${exhibit}/${name}`,
  custody: (exhibit: string, name: string): string => `custody/exhibits/${exhibit}/${name}`,
};

/** Whether the other digests than SHA-256 are asked for: of the files of exhibits only. */
export function isExhibitFile(name: string): boolean {
  return /^data\/exhibits\/[^/]+\/files\/./s.test(name);
}

const withheldCodec = object({ exhibit: nullable(id), ground: string });
const indexCodec = object({
  version: u32,
  case: id,
  origin: string,
  made: claimedTime,
  by: text(isPersonId, "a person is written office/local"),
  recipients: array(string),
  exhibits: array(id),
  files: word("included", "digests"),
  withheld: array(withheldCodec),
});
/** `dossier.json`: what the dossier says of itself; nothing in it is proof. */
export type Index = ReturnType<typeof indexCodec>;

/** DOS-03: `dossier.json`. */
export async function readIndex(archive: Archive, trust: Trust, findings: Findings): Promise<Index | null> {
  const isLarge = (archive.entries.get(PATHS.index)?.length ?? 0) > MAX_INDEX_BYTES;
  const bytes = isLarge ? null : await archive.read(PATHS.index, MAX_INDEX_BYTES);
  const fail = (text: string): null => {
    findings.failed("DOS-03", PATHS.index, text);
    return null;
  };
  if (!bytes) return fail(isLarge ? `it is larger than ${MAX_INDEX_BYTES} bytes` : "it is missing");
  const version = claimedVersion(bytes);
  if (version !== null && version > VERSION) {
    const text = `the dossier is of version ${version}, made by a newer program; this one reads version ${VERSION}: get a newer verifier`;
    findings.notChecked("DOS-03", PATHS.index, text);
    return null;
  }
  let index: Index;
  try {
    index = readStrict(bytes, indexCodec);
  } catch (error) {
    return fail(problemOf(error));
  }
  if (!namesItsPayload(archive, index)) return fail("it names an exhibit twice, or the payload holds what belongs to none of its exhibits");
  if (index.origin !== trust.origin || index.exhibits.length === 0) {
    return fail(`it names the log ${JSON.stringify(index.origin)} and ${count(index.exhibits.length, "exhibit")}`);
  }
  const fault = withheldFault(index);
  if (fault) return fail(`it ${fault}`);
  findings.passed("DOS-03", PATHS.index, `${count(index.exhibits.length, "exhibit")} of case ${index.case}`);
  return index;
}

/** The one member that tells a newer format, if it can be read. */
function claimedVersion(bytes: Uint8Array): number | null {
  try {
    const json = parse(bytes);
    const found = json.kind === "object" ? json.members.filter(([name]) => name === "version") : [];
    return found[0] && found.length === 1 ? u32(found[0][1], false) : null;
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Whether the index names each exhibit once, and every payload file belongs to the index or to one of them. */
function namesItsPayload(archive: Archive, index: Index): boolean {
  const exhibits = new Set(index.exhibits);
  const belongs = (name: string): boolean => {
    const [, exhibit, rest] = /^data\/exhibits\/([^/]+)\/(.+)$/s.exec(name) ?? [];
    const ofExhibit = exhibit !== undefined && rest !== undefined && exhibits.has(exhibit);
    return name === PATHS.index || (ofExhibit && (["manifest.json", "files.json", "reasons.json"].includes(rest) || rest.startsWith("files/")));
  };
  const payload = archive.names().filter((name) => name.startsWith("data/"));
  return exhibits.size === index.exhibits.length && payload.every(belongs);
}

/** What is wrong with the exhibits that a dossier says it withholds, beside those that it gives. */
function withheldFault({ exhibits, withheld }: Index): string | null {
  const named = withheld.flatMap((one) => (one.exhibit === null ? [] : [one.exhibit]));
  if (new Set(named).size < named.length) return "withholds an exhibit twice";
  const given = new Set(exhibits);
  if (named.some((one) => given.has(one))) return "withholds an exhibit that it gives";
  return withheld.some((one) => isBlank(one.ground)) ? "withholds something on no ground" : null;
}

/** Reads one record view a line; a line that is none is a finding. */
export async function readViews(archive: Archive, name: string, check: "TRU-01" | "CHN-01", findings: Findings): Promise<RecordView[]> {
  const bytes = await archive.read(name, MAX_TEXT_BYTES);
  if (!bytes) {
    findings.failed(check, name, "it is missing");
    return [];
  }
  const lines = textLines(bytes);
  if (!lines) {
    findings.failed(check, name, "it is not UTF-8, or its last line does not end");
    return [];
  }
  const views: RecordView[] = [];
  let [number, faults] = [0, 0];
  for (const line of lines) {
    number++;
    try {
      views.push(read(toUtf8(line), recordView));
    } catch (error) {
      findings.failed(check, `${name} line ${number}`, problemOf(error));
      if (++faults >= MOST_FAULTS) break;
    }
  }
  return views;
}
