// One exhibit of a dossier: its chain, its manifest, its files, its reasons. Source: docs/spec/dossier.md, checks LOG-02, LOG-07, CHN, EXH.

import { isDigest, textLines, fromHex } from "./bytes.js";
import type { Collection } from "./body.js";
import { checkChain, problemOf, type RegistryAt, type ShownAct } from "./chain.js";
import { openReason, type StatedReason } from "./cobblestone.js";
import type { Digests } from "./digests.js";
import { count, Findings } from "./findings.js";
import { array, map, read, string, text } from "./json.js";
import { derivationCommitment, openManifest, rawPath, sameDigests, type Manifest } from "./manifest.js";
import { proofOf } from "./merkle.js";
import type { Checkpoint } from "./note.js";
import { display } from "./path.js";
import { timesOf, type Stamp, type StampedTime } from "./stamps.js";
import type { Trust } from "./trust.js";
import { MAX_TEXT_BYTES, PATHS, readViews, type Index } from "./dossier.js";
import type { Archive } from "./zip.js";

export interface ReportedAct extends ShownAct {
  stated: StatedReason | null;
  time: StampedTime;
}

export interface ExhibitReport {
  id: string;
  /** The manifest and its bytes, if it opens the commitment that the collection signed. */
  manifest: Manifest | null;
  manifestJson: Uint8Array | null;
  acts: ReportedAct[];
}

/** What the checks of one exhibit need from the whole dossier. */
export interface Context {
  index: Index;
  payload: string;
  checkpoint: Checkpoint;
  registry: RegistryAt;
  digests: Map<string, Digests>;
  trust: Trust;
  stamps: Stamp[];
}

const fileNames = array(string);
const reasonKeys = map(text(isDigest, "a reason key is 64 lower-case hexadecimal digits"));

export async function checkExhibit(archive: Archive, id: string, context: Context, all: Findings): Promise<ExhibitReport> {
  const findings = new Findings();
  const views = await readViews(archive, PATHS.custody(id, "chain.ndjson"), "CHN-01", findings);
  const proofs = readProofs((await archive.read(PATHS.custody(id, "chain.proof"), MAX_TEXT_BYTES)) ?? new Uint8Array(), views.length + 1);
  const { index, payload } = context;
  const input = { exhibit: id, case: index.case, origin: index.origin, views, proofs, payload };
  const { acts, cores, collection } = checkChain(input, context.checkpoint, context.registry, findings);
  const times = timesOf(views, cores, context.stamps, context.trust, findings);
  const opened = await checkManifest(archive, id, context, collection, findings);
  if (opened && collection) checkSource(collection, opened.manifest, findings);
  if (opened) await checkFiles(archive, id, context, opened.manifest, findings);
  const stated = await openReasons(archive, id, acts, findings);
  all.all.push(...findings.all.map((finding) => ({ ...finding, subject: `exhibit ${id}: ${finding.subject}` })));
  return {
    id,
    manifest: opened?.manifest ?? null,
    manifestJson: opened?.json ?? null,
    acts: acts.map((act) => ({ ...act, stated: stated.get(act) ?? null, time: times.get(act.core.index) ?? { is: "stated", after: null, before: null } })),
  };
}

/** One proof a line, hashes joined by spaces, no more than `most`; none at all if a line is not one. */
function readProofs(bytes: Uint8Array, most: number): Uint8Array[][] {
  const proofs: Uint8Array[][] = [];
  for (const line of textLines(bytes) ?? []) {
    if (proofs.length >= most) break;
    const proof = proofOf(line === "" ? [] : line.split(" "));
    if (!proof) return [];
    proofs.push(proof);
  }
  return proofs;
}

/** EXH-01: manifest and salt open the commitment that the collection signed. */
async function checkManifest(
  archive: Archive,
  id: string,
  context: Context,
  collection: Collection | null,
  findings: Findings,
): Promise<{ manifest: Manifest; json: Uint8Array } | null> {
  const json = await archive.read(PATHS.data(id, "manifest.json"), MAX_TEXT_BYTES);
  const fail = (problem: string): null => {
    findings.failed("EXH-01", "manifest", problem);
    return null;
  };
  if (!json) return fail("it is missing");
  if (!collection) return fail("no collection record says what it must be");
  try {
    const manifest = openManifest(json, collection.manifest_commitment, id, context.index.case);
    findings.passed("EXH-01", "manifest", "it is the one that the collection signed");
    return { manifest, json };
  } catch (error) {
    return fail(problemOf(error));
  }
}

/** EXH-04: the manifest names as its source, if any, the exhibit that the collection commits to. */
function checkSource(collection: Collection, manifest: Manifest, findings: Findings): void {
  const { derivation } = collection;
  const from = manifest.intake.derived_from;
  if (!derivation && !from) return;
  const same = derivation && from && derivation.how === from.how && derivation.other === derivationCommitment(manifest.salt, from.exhibit);
  if (!same) findings.failed("EXH-04", "manifest", "the exhibit from which it was made is not the one that the collection commits to");
  else findings.passed("EXH-04", "manifest", `it is a ${from.how} of exhibit ${from.exhibit}, as the collection commits to`);
}

/** EXH-02: every file has the size and digests that the manifest names. */
async function checkFiles(archive: Archive, id: string, context: Context, manifest: Manifest, findings: Findings): Promise<void> {
  let names: string[];
  try {
    names = read((await archive.read(PATHS.data(id, "files.json"), MAX_TEXT_BYTES)) ?? new Uint8Array(), fileNames);
  } catch (error) {
    return findings.failed("EXH-02", "files.json", problemOf(error));
  }
  const folder = PATHS.data(id, "files/");
  const there = [...context.digests.keys()].filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length));
  const named = new Set(names);
  if (named.size !== names.length || names.length !== there.length || there.some((name) => !named.has(name))) {
    findings.failed("EXH-02", "files.json", "it does not name each file that is there once, and no other");
  }
  if (context.index.files === "digests") {
    if (there.length > 0) findings.failed("EXH-02", "files", "the dossier says that it holds digests only, and holds files");
    const text = "the files are not in this dossier: what the manifest says of them was committed to, but no bytes were compared";
    return findings.notChecked("EXH-02", "files", text);
  }
  if (names.length !== manifest.files.length) {
    findings.failed("EXH-02", "files.json", "it does not name one entry for each file of the manifest");
  }
  const before = findings.all.length;
  manifest.files.slice(0, names.length).forEach((file, at) => {
    const found = context.digests.get(folder + (names[at] as string));
    if (!found) findings.failed("EXH-02", display(rawPath(file)), "the file is missing");
    else if (!sameDigests(file, found)) findings.failed("EXH-02", display(rawPath(file)), "its bytes are not those that were collected");
  });
  if (findings.all.length === before) {
    findings.passed("EXH-02", count(names.length, "file"), "every file has the size, SHA-256, BLAKE3 and tree root that were collected");
  }
}

/** EXH-03: every reason key given is for a record of the chain and opens its sealed reason. */
async function openReasons(archive: Archive, id: string, acts: ShownAct[], findings: Findings): Promise<Map<ShownAct, StatedReason>> {
  const stated = new Map<ShownAct, StatedReason>();
  let keys = new Map<string, string>();
  try {
    keys = read((await archive.read(PATHS.data(id, "reasons.json"), MAX_TEXT_BYTES)) ?? new Uint8Array(), reasonKeys);
  } catch (error) {
    findings.failed("EXH-03", "reasons.json", problemOf(error));
  }
  for (const act of acts) {
    const key = keys.get(String(act.core.index));
    if (key === undefined) continue;
    keys.delete(String(act.core.index));
    if (!act.intent.sealed) continue;
    try {
      stated.set(act, await openReason(act.intent.origin, act.intent.id, fromHex(key) as Uint8Array, act.intent.sealed));
    } catch (error) {
      findings.failed("EXH-03", `record ${act.core.index}`, problemOf(error));
    }
  }
  for (const index of keys.keys()) findings.failed("EXH-03", `record ${index}`, "a reason key is given for it, and it is no act of this chain");
  if (!findings.hasFailed("EXH-03") && stated.size > 0) {
    findings.passed("EXH-03", `${stated.size} reasons`, "each reason given is the one that its actor signed");
  }
  return stated;
}
