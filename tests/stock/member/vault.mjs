// What of Custodia's formats a foreign member needs, from docs/spec alone, with Node's cryptography, @hpke and @noble: statements (custody.md),
// signed requests (http.md), sealed messages, keys and manifests (exhibit.md), grants (grants.md).
import { createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, randomBytes, sign, verify, X509Certificate } from "node:crypto";
import { Aes256Gcm, CipherSuite, HkdfSha384 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { blake3 } from "@noble/hashes/blake3.js";

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const unhex = (text) => Buffer.from(text, "hex");
export const b64url = (bytes) => Buffer.from(bytes).toString("base64url");
export const join = (...parts) => Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));
export const sha256 = (...parts) => createHash("sha256").update(join(...parts)).digest();
export const name = (bytes) => hex(blake3(bytes));
export const u32 = (number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
};
export const u64 = (number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
};

export function need(holds, what) {
  if (!holds) throw new Error(what);
}

// Keys: Ed25519 by its seed, and X-Wing for what is sealed to a device.
const pkcs8 = (seed) => createPrivateKey({ key: join(unhex("302e020100300506032b657004220420"), seed), format: "der", type: "pkcs8" });
export const publicOf = (seed) => createPublicKey(pkcs8(seed)).export({ format: "der", type: "spki" }).subarray(-32);
const signed = (seed, text) => sign(null, Buffer.from(text), pkcs8(seed));
export const hpke = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha384(), aead: new Aes256Gcm() });

async function sealTo(key, info, plaintext) {
  const recipientPublicKey = await hpke.kem.deserializePublicKey(copy(key));
  const { enc, ct } = await hpke.seal({ recipientPublicKey, info: copy(info) }, copy(plaintext));
  return join(Buffer.from(enc), Buffer.from(ct));
}

async function openFrom(seed, info, sealed) {
  const recipientKey = await hpke.kem.deserializePrivateKey(copy(seed));
  return Buffer.from(await hpke.open({ recipientKey, enc: copy(sealed.subarray(0, 1120)), info: copy(info) }, copy(sealed.subarray(1120))));
}

const copy = (bytes) => new Uint8Array(bytes).buffer;

// A compact JWS whose `typ` names its use.
export function statement(typ, signer, payload, seed) {
  const head = JSON.stringify({ alg: "EdDSA", typ, "x5t#S256": b64url(signer) });
  const text = `${b64url(head)}.${b64url(JSON.stringify(payload))}`;
  return `${text}.${b64url(signed(seed, text))}`;
}

export const payloadOf = (jws) => JSON.parse(Buffer.from(jws.split(".")[1], "base64url"));
export const signerOf = (jws) => hex(Buffer.from(JSON.parse(Buffer.from(jws.split(".")[0], "base64url"))["x5t#S256"], "base64url"));

export function checkStatement(jws, certificate) {
  const [head, body, signature] = jws.split(".");
  need(verify(null, Buffer.from(`${head}.${body}`), certificate.publicKey, Buffer.from(signature, "base64url")), "a statement's signature does not verify");
}

// C2SP chunked-encryption as exhibit.md repeats it.
function derived(key, salt, context) {
  const info = join("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM", [0], salt, context);
  let block = Buffer.alloc(0), output = Buffer.alloc(0);
  for (let count = 1; output.length < 76; count++) {
    block = createHmac("sha512", key).update(join(block, info, [count])).digest();
    output = join(output, block);
  }
  return { key: output.subarray(0, 32), base: output.subarray(32, 44), commitment: output.subarray(44, 76) };
}

function nonce(base, index) {
  const bytes = Buffer.from(base);
  const last = u64(index);
  for (let at = 0; at < 8; at++) bytes[4 + at] ^= last[at];
  return bytes;
}

export function seal(key, context, plaintext) {
  const salt = randomBytes(24);
  const keys = derived(key, salt, context);
  const parts = [salt, keys.commitment];
  for (let at = 0, index = 0; ; at += 16384, index++) {
    const cipher = createCipheriv("aes-256-gcm", keys.key, nonce(keys.base, index));
    const chunk = plaintext.subarray(at, at + 16384);
    parts.push(cipher.update(chunk), cipher.final(), cipher.getAuthTag());
    if (chunk.length < 16384) return join(...parts);
  }
}

export function open(key, context, message) {
  const keys = derived(key, message.subarray(0, 24), context);
  need(keys.commitment.equals(message.subarray(24, 56)), "a message is committed to another key");
  const parts = [];
  for (let at = 56, index = 0; ; at += 16400, index++) {
    const chunk = message.subarray(at, at + 16400);
    need(chunk.length >= 16, "a message is cut off");
    const cipher = createDecipheriv("aes-256-gcm", keys.key, nonce(keys.base, index));
    cipher.setAuthTag(chunk.subarray(-16));
    parts.push(cipher.update(chunk.subarray(0, -16)), cipher.final());
    if (chunk.length < 16400) return join(...parts);
  }
}

// The commitment of a record, from its view (custody.md), and the intent in an open core.
export function commitment(view) {
  const part = (label) => {
    const one = view[label];
    return one.commitment ? unhex(one.commitment) : sha256("custodia/part/", label, unhex(one.salt), Buffer.from(one.bytes, "base64"));
  };
  return sha256("custodia/leaf/v1", part("core"), part("case"), part("exhibit"));
}

export function intentOf(view) {
  const core = Buffer.from(view.core.bytes, "base64");
  return core.subarray(19 + core[18] + 8).toString();
}

export const accepted = (view) => Buffer.from(view.core.bytes, "base64")[17] === 0;

// A client that signs its requests as a device (RFC 9421).
export class Client {
  constructor(url, certificate, seed) {
    this.url = new URL(url);
    this.keyid = hex(sha256(certificate.raw));
    this.seed = seed;
  }

  async ask(method, path, body) {
    const target = new URL(path, this.url);
    const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const digest = data && `sha-256=:${sha256(data).toString("base64")}:`;
    const parts = [["@method", method], ["@authority", target.host], ["@path", target.pathname], ["@query", target.search || "?"]];
    if (digest) parts.push(["content-digest", digest]);
    const input = `(${parts.map(([label]) => `"${label}"`).join(" ")});created=${Math.floor(Date.now() / 1000)};nonce="${hex(randomBytes(16))}";keyid="${this.keyid}";alg="ed25519";tag="custodia/1"`;
    const base = [...parts, ["@signature-params", input]].map(([label, value]) => `"${label}": ${value}`).join("\n");
    const headers = { "Signature-Input": `sig1=${input}`, Signature: `sig1=:${signed(this.seed, base).toString("base64")}:` };
    if (digest) Object.assign(headers, { "Content-Digest": digest, "Content-Type": "application/json" });
    const answer = await fetch(target, { method, headers, body: data });
    const bytes = Buffer.from(await answer.arrayBuffer());
    need(answer.ok, `${method} ${path}: ${answer.status} ${bytes}`);
    return bytes;
  }

  async get(path) {
    return JSON.parse(await this.ask("GET", path));
  }

  async post(path, body) {
    return JSON.parse(await this.ask("POST", path, body));
  }
}

// The sealing key of a device certificate: the OCTET STRING in its extension 1.3.6.1.4.1.32473.2.1.
export function sealingKey(certificate) {
  const oid = unhex("060a2b0601040181fd590201");
  const at = certificate.raw.indexOf(oid);
  need(at >= 0, "a certificate without a sealing key");
  const key = certificate.raw.subarray(at + oid.length + 8, at + oid.length + 8 + 1216);
  need(key.length === 1216, "a sealing key of another length");
  return key;
}

export const certificateOf = (base64) => new X509Certificate(Buffer.from(base64, "base64"));
export const idOf = (certificate) => hex(sha256(certificate.raw));

// What a reason is sealed in: for the case by its ring key, and for each auditor.
export async function sealedReason(origin, intent, caseId, ring, auditors, reason) {
  const key = randomBytes(32);
  const json = Buffer.from(JSON.stringify({ reason }));
  const plaintext = Buffer.alloc(Math.ceil((4 + json.length) / 256) * 256);
  join(u32(json.length), json).copy(plaintext);
  const wraps = [];
  for (const auditor of auditors) {
    wraps.push({ certificate: idOf(auditor), wrap: b64url(await sealTo(sealingKey(auditor), join("custodia/reason-key/auditor/v1", unhex(intent)), key)) });
  }
  return {
    message: b64url(seal(key, join("custodia/reason/v1", sha256(origin), unhex(intent)), plaintext)),
    ring: { version: ring.version, wrap: b64url(seal(ring.key, join("custodia/reason-key/v1", unhex(caseId), u32(ring.version), unhex(intent)), key)) },
    auditors: wraps,
    trust_list: 1,
  };
}

// The keys in a grant: ring keys by version and group shares by exhibit.
export async function openGrant(jws, granter, own, sealingSeed) {
  checkStatement(jws, granter);
  const said = payloadOf(jws);
  need(said.recipient === idOf(own), "a grant for somebody else");
  const info = join("custodia/grant/v1", unhex(said.case), sha256(granter.raw), sha256(own.raw));
  const keys = await openFrom(sealingSeed, info, Buffer.from(said.sealed, "base64url"));
  need(keys.length === 32 * (said.rings.length + said.exhibits.length), "a grant with another number of keys");
  const at = (index) => keys.subarray(32 * index, 32 * (index + 1));
  return {
    rings: new Map(said.rings.map((version, index) => [version, at(index)])),
    shares: new Map(said.exhibits.map((exhibit, index) => [exhibit, at(said.rings.length + index)])),
  };
}

export const groupShare = (row, caseId, ring) =>
  open(ring.key, join("custodia/group-share/v1", unhex(caseId), u32(row.ring_version), unhex(row.exhibit)), Buffer.from(row.group_share, "base64"));

// HKDF-SHA-512 without salt, one block.
export function exhibitKey(group, release, exhibit) {
  const prk = createHmac("sha512", Buffer.alloc(64)).update(join(group, release)).digest();
  return createHmac("sha512", prk).update(join("custodia/exhibit-key/v1", unhex(exhibit), [1])).digest().subarray(0, 32);
}

// The manifest and the content of an exhibit, every commitment of the collection compared.
export function unsealExhibit(exhibit, key, collection, manifestObject, objects) {
  need(hex(sha256("custodia/exhibit-key-commitment/v1", unhex(exhibit), key)) === collection.exhibit_key_commitment, "the shares make another key");
  need(name(manifestObject) === collection.manifest_object, "the manifest's object has another name");
  const plaintext = open(key, join("custodia/manifest/v1", unhex(exhibit)), manifestObject);
  const json = plaintext.subarray(8, 8 + Number(plaintext.readBigUInt64BE(0)));
  const manifest = JSON.parse(json);
  need(hex(sha256("custodia/manifest-commitment/v1", unhex(manifest.salt), json)) === collection.manifest_commitment, "the collection names another manifest");
  const names = objects.map((object) => unhex(name(object)));
  need(hex(sha256("custodia/object-list/v1", u64(objects.length), ...names)) === collection.objects_digest, "the collection names other objects");
  const last = objects.length - 1;
  const stream = join(...objects.map((object, index) => open(key, join("custodia/segment/v1", unhex(exhibit), u64(index), [index === last ? 1 : 0]), object)));
  need(stream.subarray(manifest.stream_len).every((byte) => byte === 0), "the padding is not zeros");
  return manifest.files.map((file) => {
    const content = stream.subarray(file.offset, file.offset + file.size);
    need(hex(sha256(content)) === file.sha256 && name(content) === file.blake3, `${file.path} has another digest`);
    return { path: file.path, content };
  });
}
