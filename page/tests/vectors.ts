// Runs the vectors of tests/vectors through the page's checks, and says which disagree. Node; `out/vectors.mjs`.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { blake3 } from "@noble/hashes/blake3";

import { concat, fromBase64, fromHex, Refusal, toHex, toUtf8 } from "../src/core/bytes.js";
import { openMessage, openReason } from "../src/core/cobblestone.js";
import { parseDevice, parseRoot } from "../src/core/certificate.js";
import { verifyEd25519 } from "../src/core/ed25519.js";
import { crc32, joinCrc32 } from "../src/core/crc32.js";
import { parseIntent, verifyIntent } from "../src/core/intent.js";
import { read } from "../src/core/json.js";
import { derivationCommitment, openManifest, parseManifest } from "../src/core/manifest.js";
import { checkConsistency, isIncluded } from "../src/core/merkle.js";
import { cosignatures, parseNote, parseVkey, verifyCheckpoint } from "../src/core/note.js";
import { display } from "../src/core/path.js";
import { parsePolicy, quorumMet } from "../src/core/policy.js";
import { install, type Primitives } from "../src/core/primitives.js";
import { ChainWalk, openRecord, recordView } from "../src/core/record.js";
import { judgeStamp } from "../src/core/stamp.js";
import { certify, parseTrustList, verifyFirst, verifySuccessor } from "../src/core/trust-list.js";
import { parsePem, parseTsaCertificate } from "../src/core/tsa-certificate.js";
import { parseTrust } from "../src/core/trust.js";
import { claimedMillis } from "../src/core/time.js";
import { blake3OfRuns, makeHashes, RUN_BYTES } from "../src/fast/hashes.js";
import { instantiate } from "../src/fast/module.js";
import { nodePrimitives, verifyFile } from "../src/node.js";
import { webPrimitives } from "../src/web-primitives.js";
import { digesting } from "./digesting.js";

// Vectors are JSON of many shapes; each test says which members it reads.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Case = any;

const folder = process.argv[2] ?? "../tests/vectors";
const load = (path: string): Case => JSON.parse(readFileSync(`${folder}/${path}`, "utf8"));
const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array;
const b64 = (text: string): Uint8Array => fromBase64(text) as Uint8Array;

let run = 0;
const wrong: string[] = [];

async function accepts(act: () => unknown): Promise<boolean> {
  try {
    return (await act()) !== false;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

async function each(what: string, cases: Case[], least: number, isGood: (one: Case) => boolean, act: (one: Case) => unknown): Promise<void> {
  if (cases.length < least) wrong.push(`${what}: only ${cases.length} cases`);
  for (const one of cases) {
    run++;
    const found = await accepts(() => act(one));
    if (found !== isGood(one)) wrong.push(`${what}: ${one.name ?? one.comment ?? one.number ?? one.path}: ${found ? "accepted" : "refused"}`);
  }
}

const expectOk = (one: Case): boolean => (one.expect ?? one.result) === "ok";

async function signatures(): Promise<void> {
  const check = (key: string, message: Uint8Array, signature: string): boolean => verifyEd25519(hex(signature), message, hex(key));
  await each("signatures", load("signatures/ed25519.json").cases, 200, expectOk, (one) => check(one.key, hex(one.message), one.signature));
  // What differs between rules for Ed25519: small orders, encodings that are not canonical, and equations that hold by the cofactor alone.
  const lax = ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];
  const isStrict = (one: Case): boolean => !(one.flags ?? []).some((flag: string) => lax.includes(flag));
  await each("CCTV", load("foreign/cctv/ed25519vectors.json"), 900, isStrict, (one) => check(one.key, toUtf8(one.msg), one.sig));
  const wycheproof = load("foreign/ed25519/ed25519_test.json").testGroups.flatMap((group: Case) =>
    group.tests.map((test: Case) => ({ ...test, pk: group.publicKey.pk })),
  );
  await each("Wycheproof", wycheproof, 140, (one) => one.result === "valid", (one) => check(one.pk, hex(one.msg), one.sig));
}

async function log(): Promise<void> {
  await each("vkeys", load("log/vkeys.json").cases, 18, (one) => expectOk(one), (one) => parseAnyVkey(one.vkey));
  // A note that is no checkpoint has no place in a dossier, so only its form is judged.
  const formFaults = ["Malformed", "TooLarge"];
  const isNote = (one: Case): boolean => !formFaults.includes(one.expect);
  await each("notes", load("log/note.json").cases, 30, isNote, (one) => parseNote(bytesOf(one, "note")));
  await each("checkpoints", load("log/checkpoint.json").cases.filter((one: Case) => one.keys.length === 1), 25, expectOk, (one) =>
    verifyCheckpoint(bytesOf(one, "checkpoint"), parseVkey(one.keys[0], 1)),
  );
  const logKey = load("log/example.json").log_vkey;
  await each("cosignatures", load("log/cosignature.json").cases, 19, expectOk, (one) => {
    const found = cosignatures(verifyCheckpoint(bytesOf(one, "checkpoint"), parseVkey(logKey, 1)), [parseVkey(one.key, 4)]);
    return found.length > 0 && found.every(({ seconds }) => seconds === BigInt(one.time));
  });
  await each("policies", load("log/policy.json").cases.filter((one: Case) => one.policy !== undefined), 45, policyIsRead, (one) => {
    const policy = parsePolicy(one.policy);
    if (!expectOk(one)) return true;
    const checkpoint = verifyCheckpoint(bytesOf(one, "checkpoint"), parseVkey(logKey, 1));
    return quorumMet(policy, cosignatures(checkpoint, policy.witnesses)) === one.quorum;
  });
  await each("proofs", load("log/merkle.json").cases, 140, expectOk, prove);
  const foreign = load("log/transparency-dev.json");
  const list = (proof: string[] | null): Uint8Array[] => (proof ?? []).map(b64);
  const areHashes = (...hashes: Uint8Array[]): boolean => hashes.every((hash) => hash.length === 32);
  // Two empty trees of another root than that of no leaves.
  const stricter = "consistency/additional/sizes-are-equal-and-proof-is-not-empty-where-both-sizes-are-zero";
  await each("inclusion", foreign.inclusion, 90, (one) => !one.wantErr, (one) =>
    areHashes(b64(one.leafHash), b64(one.root)) && isIncluded(one.leafIdx, one.treeSize, b64(one.leafHash), list(one.proof), b64(one.root)),
  );
  await each("consistency", foreign.consistency, 90, (one) => !one.wantErr && one.name !== stricter, (one) =>
    checkConsistency(one.size1, b64(one.root1), one.size2, b64(one.root2), list(one.proof)),
  );
}

function policyIsRead(one: Case): boolean {
  return expectOk(one) || !["Malformed", "PolicyLine", "TooLarge"].includes(one.expect);
}

function parseAnyVkey(text: string): void {
  try {
    parseVkey(text, 1);
  } catch {
    parseVkey(text, 4);
  }
}

function bytesOf(one: Case, member: string): Uint8Array {
  return one[`${member}_hex`] === undefined ? toUtf8(one[member]) : hex(one[`${member}_hex`]);
}

function prove(one: Case): unknown {
  const proof = one.proof.map(hex);
  if (one.kind === "inclusion") return isIncluded(one.index, one.size, hex(one.leaf), proof, hex(one.root));
  return checkConsistency(one.old, hex(one.old_root), one.new, hex(one.new_root), proof);
}

async function identity(): Promise<void> {
  const file = load("identity/certificates.json");
  const list = verifyFirst(parseTrustList(file.trust_list), file.pin);
  const isGood = (one: Case): boolean => one.verdict === "good";
  await each("devices", file.devices, 48, isGood, (one) => certify(list, parseDevice(b64(one.input)), claimedMillis(file.at) as number));
  await each("roots", file.roots, 8, isGood, (one) => parseRoot(b64(one.input)));
  const second = load("identity/list.json");
  const pinned = verifyFirst(parseTrustList(second.list), second.pin);
  await each("issued", load("identity/issued.json").cases, 14, expectOk, (one) =>
    certify(pinned, parseDevice(b64(one.certificate)), claimedMillis("2026-06-01T00:00:00Z") as number),
  );
  const lists = load("identity/trust-lists.json");
  const first = verifyFirst(parseTrustList(lists.first), lists.pin);
  await each("first lists", lists.firsts, 4, isGood, (one) => verifyFirst(parseTrustList(one.input), lists.pin));
  await each("successors", lists.successors, 22, isGood, (one) => verifySuccessor(parseTrustList(one.input), first));
}

async function custody(): Promise<void> {
  await each("intents", load("custody/intents.json").cases, 190, expectOk, (one) => verifyIntent(parseIntent(one.intent), hex(one.key)));
  const views = load("custody/records.json").cases.filter((one: Case) => one.kind === "view");
  await each("views", views, 5, expectOk, (one) => openRecord(read(toUtf8(one.view), recordView)).commitment === one.commitment);
  const parts = load("custody/records.json").cases.filter((one: Case) => one.kind === "core" || one.kind === "place");
  await each("parts", parts, 20, expectOk, (one) => openRecord(viewOf(one)));
  await each("chains", load("custody/chains.json").cases, 17, expectOk, (one) => {
    const walk = new ChainWalk(one.chain);
    return one.views.every((json: Case) => {
      const view = read(toUtf8(JSON.stringify(json)), recordView);
      const opened = openRecord(view);
      return walk.step(view.index, opened, one.which === "case" ? opened.case : opened.exhibit).length === 0;
    });
  });
  await each("derivations", load("custody/derivations.json").cases, 12, expectOk, (one) => derivationCommitment(one.salt, one.exhibit) === one.other);
}

/** A view of which one part is open. */
function viewOf(one: Case): Parameters<typeof openRecord>[0] {
  const bytes = hex(one.bytes);
  const closed = { commitment: "0".repeat(64) };
  const open = { bytes, salt: new Uint8Array(32) };
  const index = one.kind === "core" && bytes.length >= 9 ? new DataView(bytes.buffer).getBigUint64(1) : 0n;
  return { index, core: one.kind === "core" ? open : closed, case: one.kind === "place" ? open : closed, exhibit: closed };
}

async function exhibit(): Promise<void> {
  const file = load("exhibit/manifest.json");
  const manifests = file.cases.filter((one: Case) => one.json !== undefined);
  await each("manifests", manifests, 60, expectOk, (one) => parseManifest(toUtf8(one.json)));
  const good = manifests.find((one: Case) => one.name === "good");
  await each("committed", [{ ...good, expect: "ok" }], 1, () => true, (one) => openManifest(toUtf8(one.json), file.commitment, file.exhibit, file.case));
  await each("committed to another", [good], 1, () => false, (one) => openManifest(toUtf8(one.json), "0".repeat(64), file.exhibit, file.case));
  await each("reasons", load("exhibit/reason.json").cases, 27, expectOk, (one) => openReason(one.origin, one.intent, hex(one.reason_key), hex(one.sealed)));
  await each("paths", load("exhibit/path.json").cases, 28, () => true, (one) => display(hex(one.path)) === one.display);
  const [group] = load("foreign/cobblestone/c2sp_chunked_encryption_aes_256_gcm_test.json").testGroups;
  await each("Cobblestone", group.tests, 35, (one) => one.result === "valid", async (one) => {
    // The messages are compressed.
    const message = await openMessage(hex(one.key), hex(one.ctx), new Uint8Array(inflateSync(hex(one.ct))));
    return one.msgSha512 === undefined || toHex(nodePrimitives.digest("SHA-512", message)) === one.msgSha512;
  });
}

/** Stamps: what each is worth, and its times. */
async function stamps(): Promise<void> {
  for (const name of ["stamps/cases.json", "stamps/openssl.json"]) {
    const file = load(name);
    for (const one of file.cases) {
      run++;
      const roots = one.roots.flatMap((root: string) => parsePem(file.roots[root]).map(parseTsaCertificate));
      let worth = "fails";
      try {
        const found = await judgeStamp(b64(one.stamp), toUtf8(file.checkpoint), roots);
        worth = "genuine" in found ? "genuine" : "counts-for-nothing";
        const times = "genuine" in found ? [found.genuine.earliest, found.genuine.latest, found.genuine.serial] : [];
        if (one.earliest !== undefined && times.join() !== [one.earliest, one.latest, one.serial].join()) worth = `of other times ${times.join()}`;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
      if (worth !== one.expect) wrong.push(`${name}: ${one.name}: ${worth}, not ${one.expect}`);
    }
  }
}

/** Whole dossiers: verdict and first check. */
async function dossiers(): Promise<void> {
  for (const one of load("dossier/cases.json").cases) {
    run++;
    const report = await verifyFile(`${folder}/dossier/${one.dossier}`, parseTrust(one.trust));
    const found = `${report.verdict} ${report.obstacle?.check ?? null}`;
    if (found !== `${one.expect} ${one.first}`) wrong.push(`dossiers: ${one.name}: ${found}, not ${one.expect} ${one.first}`);
  }
}

/** The hashes of long entries are those of others, with WebAssembly and without, at every length at which something changes. */
function hashes(): void {
  const bytes = new Uint8Array(4 * RUN_BYTES + 77_777);
  for (let [at, state] = [0, 1]; at < bytes.length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    bytes[at] = state >> 16;
  }
  const around = (length: number): number[] => [length - 1, length, length + 1];
  const lengths = [0, 1, ...[55, 64, 1024, 2048, 3072, 4096, RUN_BYTES, RUN_BYTES + 1024, 2 * RUN_BYTES, 3 * RUN_BYTES, 4 * RUN_BYTES].flatMap(around), bytes.length];
  const compare = (what: string, found: Uint8Array | undefined, expected: Uint8Array): void => {
    run++;
    if (!found || toHex(found) !== toHex(expected)) wrong.push(what);
  };
  const module = instantiate();
  if (!module) wrong.push("there is no WebAssembly here, so it was not compared");
  for (const length of lengths) {
    const all = bytes.subarray(0, length);
    const [expectedSha256, expectedBlake3] = [createHash("sha256").update(all).digest(), blake3(all)];
    // What is not WebAssembly is not ours, and slow.
    for (const made of length > 2 * RUN_BYTES + 1 ? [makeHashes(module)] : [makeHashes(module), makeHashes(null)]) {
      const what = `of ${length} bytes ${made.isFast ? "by WebAssembly" : "without"}`;
      const long = made.long(true);
      // Parts of one run and of two.
      for (let [at, part] = [0, RUN_BYTES]; at < length; at += part, part = 3 * RUN_BYTES - part) long.update(all.subarray(at, at + part));
      const digests = long.digest();
      compare(`SHA-256 ${what}`, digests.sha256, expectedSha256);
      if (!made.isFast) compare(`BLAKE3 ${what}`, digests.blake3, expectedBlake3);
    }
    const made = makeHashes(module);
    const runs = Array.from({ length: Math.ceil(length / RUN_BYTES) }, (_, at) => all.subarray(at * RUN_BYTES, (at + 1) * RUN_BYTES));
    if (runs.length > 1) {
      // In no order of theirs, as workers come to them.
      const values: Uint8Array[] = [];
      for (const at of runs.map((_, at) => at).reverse()) values[at] = made.run(runs[at] as Uint8Array)?.value(at) as Uint8Array;
      compare(`BLAKE3 of ${length} bytes run by run`, blake3OfRuns(values), expectedBlake3);
    } else {
      compare(`BLAKE3 of ${length} bytes as one run`, made.run(all)?.digest(), expectedBlake3);
    }
    compare(`the leaf of ${length} bytes`, made.run(runs[0] ?? all)?.leaf(), concat(Uint8Array.of(0), runs[0] ?? all));
    const cut = Math.floor(length / 3);
    run++;
    if (joinCrc32(crc32(all.subarray(0, cut)), crc32(all.subarray(cut)), length - cut) !== crc32(all)) wrong.push(`the joined CRC-32 of ${length} bytes`);
  }
}

async function all(primitives: Primitives): Promise<void> {
  install(primitives);
  await signatures();
  await log();
  await identity();
  await custody();
  await exhibit();
  await stamps();
  await dossiers();
}

hashes();
// Debian 12's node 18 has WebCrypto, but not yet as a global.
if (!("crypto" in globalThis)) Object.assign(globalThis, { crypto: (await import("node:crypto")).webcrypto });
install(nodePrimitives);
const pieces = await digesting();
run += pieces.run;
wrong.push(...pieces.wrong);
await all(nodePrimitives);
const first = run;
await all(webPrimitives);
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exitCode = 1;
}
console.log(`vectors: ${first} judged by node's cryptography, ${run - first} by the page's, ${wrong.length} wrong`);
