// The verifier on a command line of node, for tests: the same checks as the page, with node's own cryptography.
//
//   node out/cli.mjs --trust FILE DOSSIER…    one report as JSON a line
//   node out/cli.mjs --batch                  reads lines {"dossier":path,"trust":path}, answers {"verdict","first","findings"} or {"error"} a line

import { createDecipheriv, createHash, createHmac, createPublicKey, verify as verifySignature } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import * as zlib from "node:zlib";
import { blake3 } from "@noble/hashes/blake3";

import { concat, Refusal, toHex, utf8 } from "./core/bytes.js";
import { crc32 } from "./core/crc32.js";
import { TREE_LEAF_BYTES, type Digests } from "./core/digests.js";
import { isExhibitFile } from "./core/dossier.js";
import { TreeRoot } from "./core/merkle.js";
import { install, type HashName, type Primitives } from "./core/primitives.js";
import { reportJson } from "./core/report.js";
import { parseTrust, type Trust } from "./core/trust.js";
import { verify, type Report } from "./core/verify.js";
import { wrongCrc, type Archive, type Source } from "./core/zip.js";

const READ_BYTES = TREE_LEAF_BYTES;
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
const LEAF = Uint8Array.of(0);

function hash(name: string, ...parts: Uint8Array[]): Uint8Array {
  const state = createHash(name);
  for (const part of parts) state.update(part);
  const digest = state.digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
}

/** Signatures that verified: SHA-256 of key, signature and message. */
const remembered = new Set<string>();
const MAX_REMEMBERED = 10_000;

export const nodePrimitives: Primitives = {
  sha256: (...parts) => hash("sha256", ...parts),
  digest: (name: HashName | "SHA-1", bytes) => hash(name.replace("-", "").toLowerCase(), bytes),
  hmacSha512(key, ...parts) {
    const state = createHmac("sha512", key);
    for (const part of parts) state.update(part);
    return new Uint8Array(state.digest());
  },
  ed25519(signature, message, key) {
    // Dossiers that are judged one after another share most of their signatures.
    const name = toHex(hash("sha256", key, signature, message));
    if (remembered.has(name)) return true;
    const object = createPublicKey({ key: Buffer.concat([ED25519_SPKI, key]), format: "der", type: "spki" });
    const holds = verifySignature(null, message, object, signature);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (holds) remembered.add(name);
    return holds;
  },
  openAesGcm(key, nonce, sealed) {
    const cipher = createDecipheriv("aes-256-gcm", key, nonce);
    cipher.setAuthTag(sealed.subarray(-16));
    try {
      return Promise.resolve(concat(cipher.update(sealed.subarray(0, -16)), cipher.final()));
    } catch {
      return Promise.resolve(null);
    }
  },
  verify(scheme, spki, signature, message) {
    try {
      const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
      return Promise.resolve(verifySignature(scheme.hash.replace("-", "").toLowerCase(), message, key, signature));
    } catch {
      return Promise.resolve(false);
    }
  },
};

const nativeCrc32 = (zlib as { crc32?: (bytes: Uint8Array, before?: number) => number }).crc32;
const crc: typeof crc32 = nativeCrc32 ? (bytes, before = 0) => nativeCrc32(bytes, before) : crc32;

/** Digests every entry, piece by piece. */
async function digestAll(archive: Archive): Promise<Map<string, Digests>> {
  const found = new Map<string, Digests>();
  for (const [name, { start, length, crc: expected }] of archive.entries) {
    const [whole, other, tree] = [createHash("sha256"), isExhibitFile(name) ? blake3.create({}) : null, new TreeRoot()];
    let sum = 0;
    for (let at = 0; at < length; at += READ_BYTES) {
      const piece = await archive.source.read(start + at, Math.min(READ_BYTES, length - at));
      sum = crc(piece, sum);
      whole.update(piece);
      other?.update(piece);
      if (other) tree.push(hash("sha256", LEAF, piece));
    }
    if (sum !== expected) throw wrongCrc(name);
    found.set(name, {
      size: length,
      sha256: whole.digest("hex"),
      blake3: other ? toHex(other.digest()) : "",
      tree: other ? toHex(tree.root()) : "",
    });
  }
  return found;
}

/** A dossier that is small enough lies in memory; others are read by parts. */
const MEMORY_BYTES = 64 * 1024 * 1024;

async function withSource<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size <= MEMORY_BYTES) {
      const bytes = new Uint8Array(await file.readFile());
      return await use({ size, read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)) });
    }
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) throw new Refusal("the file ended while it was read");
        done += bytesRead;
      }
      return bytes;
    };
    return await use({ size, read });
  } finally {
    await file.close();
  }
}

export async function verifyFile(path: string, trust: Trust): Promise<Report> {
  return withSource(path, (source) => verify(source, trust, digestAll));
}

export async function readTrust(path: string): Promise<Trust> {
  const text = utf8(await readFile(path));
  if (text === null) throw new Refusal(`${path}: not UTF-8`);
  return parseTrust(text);
}

async function answer(line: string, trusts: Map<string, Trust>): Promise<unknown> {
  try {
    const asked = JSON.parse(line) as { dossier: string; trust: string };
    const trust = trusts.get(asked.trust) ?? (await readTrust(asked.trust));
    trusts.set(asked.trust, trust);
    const report = await verifyFile(asked.dossier, trust);
    const findings = report.findings.map((finding) => [finding.check, finding.status]);
    return { verdict: report.verdict, first: report.obstacle?.check ?? null, findings };
  } catch (error) {
    return { error: String(error) };
  }
}

async function batch(): Promise<number> {
  const trusts = new Map<string, Trust>();
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line, trusts))}\n`);
  }
  return 0;
}

/** Exit codes as those of `custodia-verify`: 0 PASSED, 3 FAILED or INDETERMINATE, 1 unreadable, 2 usage. */
async function main(words: string[]): Promise<number> {
  if (words.length === 1 && words[0] === "--batch") return batch();
  const [flag, trustPath, ...dossiers] = words;
  if (flag !== "--trust" || trustPath === undefined || dossiers.length === 0) {
    process.stderr.write("Usage: node cli.mjs --trust FILE DOSSIER…\n       node cli.mjs --batch\n");
    return 2;
  }
  let code = 0;
  try {
    const trust = await readTrust(trustPath);
    for (const path of dossiers) {
      const report = await verifyFile(path, trust);
      process.stdout.write(`${JSON.stringify(reportJson(report))}\n`);
      if (report.verdict !== "PASSED") code = 3;
    }
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
    code = 1;
  }
  return code;
}

install(nodePrimitives);
if (process.argv[1]?.endsWith("cli.mjs")) process.exitCode = await main(process.argv.slice(2));
