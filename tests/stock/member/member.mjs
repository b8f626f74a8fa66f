// A member of a case that is not ours: MLS by ts-mls, HPKE by @hpke, everything else by Node (vault.mjs).
//
//   node member.mjs request FOLDER PERSON NAME           keys, and the request for a certificate: FOLDER/request
//   node member.mjs packages FOLDER CERTIFICATE URL      two key packages and a last-resort one, uploaded
//   node member.mjs get FOLDER URL PATH FILE             an answer of the server, as it came
//   node member.mjs join FOLDER ROOTS CASE WELCOMES RECORDS    the Welcome, its members under the offices' roots (a folder of .der), the ring key
//   node member.mjs follow FOLDER ROOTS CASE CHANGES RECORDS   the commits since, and the ring key of the newest
//   node member.mjs open FOLDER URL CASE EXHIBIT PLACE   an entry, and all that the server then releases, kept below PLACE
//   node member.mjs unseal FOLDER CASE EXHIBIT PLACE TO  every file of what `open` kept, written below TO
//
// What comes from the server is judged from files, so that a spoiled copy can be given in its place. Each command prints one line of JSON. The
// state lies in clear in FOLDER/state.json: it is a test's, and holds nobody's evidence.
import { createDecipheriv, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join as path } from "node:path";
import * as vault from "./vault.mjs";

globalThis.crypto ??= webcrypto;
const mls = await import("ts-mls");
const { hex, unhex, need } = vault;

// Suite 0x004E. ts-mls gives the number to another suite of an older draft; what the suite does is said here, part by part.
const suite = await mls.getCiphersuiteImpl({
  hash: "SHA-384",
  hpke: { kem: "X-Wing", kdf: "HKDF-SHA384", aead: "AES256GCM" },
  signature: "Ed25519",
  name: Object.entries(mls.ciphersuites).find(([, number]) => number === 0x004e)[0],
});

const stateOf = (folder) => JSON.parse(readFileSync(path(folder, "state.json")));
const keep = (folder, state) => writeFileSync(path(folder, "state.json"), JSON.stringify(state));
const own = (state) => new X509Certificate(unhex(state.certificate));
const clientOf = (state, url) => new vault.Client(url, own(state), unhex(state.seed));

async function request(folder, person, name) {
  mkdirSync(folder, { recursive: true });
  const seed = randomBytes(32), sealing = randomBytes(32);
  const { publicKey } = await vault.hpke.kem.generateKeyPairDerand(new Uint8Array(sealing));
  const sealingKey = new Uint8Array(await vault.hpke.kem.serializePublicKey(publicKey));
  const key = vault.publicOf(seed);
  const payload = { v: 1, device: hex(randomBytes(16)), person, name, label: "not ours", role: "prosecutor", key: vault.b64url(key),
    sealing_key: vault.b64url(sealingKey), time: new Date().toISOString() };
  writeFileSync(path(folder, "request"), vault.statement("custodia-device-request+jws", vault.sha256(key), payload, seed));
  keep(folder, { seed: hex(seed), sealing: hex(sealing), packages: [], rings: {} });
  return { person };
}

async function packages(folder, certificate, url) {
  const state = { ...stateOf(folder), certificate: hex(readFileSync(certificate)) };
  const made = [];
  const now = BigInt(Math.floor(Date.now() / 1000));
  for (const extensions of [[], [], [{ extensionType: 0x000a, extensionData: new Uint8Array() }]]) {
    const { publicPackage, privatePackage } = await mls.generateKeyPackageWithKey(
      { credentialType: "x509", certificates: [new Uint8Array(unhex(state.certificate))] },
      { versions: ["mls10"], ciphersuites: [suite.name], extensions: [0x000a], proposals: [], credentials: ["x509"] },
      { notBefore: now - 3600n, notAfter: now - 3600n + 730n * 86400n }, extensions,
      { signKey: new Uint8Array(unhex(state.seed)), publicKey: new Uint8Array(vault.publicOf(unhex(state.seed))) }, suite);
    const message = mls.encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage: publicPackage });
    made.push(Buffer.from(message).toString("base64"));
    state.packages.push({ message: hex(message), init: hex(privatePackage.initPrivateKey), leaf: hex(privatePackage.hpkePrivateKey) });
  }
  keep(folder, state);
  return clientOf(state, url).post("/v1/key-packages", { one_time: made.slice(0, 2), last_resort: made[2] });
}

function message(bytes, wireformat) {
  const [decoded, length] = mls.decodeMlsMessage(new Uint8Array(bytes), 0) ?? [];
  need(decoded?.wireformat === wireformat && length === bytes.length, `no ${wireformat}`);
  return decoded;
}

// Who is a member is for the offices to say: each certificate is one of theirs, and the leaf's key is its key.
function authService(roots) {
  const issuers = readdirSync(roots).filter((name) => name.endsWith(".der")).map((name) => new X509Certificate(readFileSync(path(roots, name))));
  return {
    async validateCredential(credential, signaturePublicKey) {
      if (credential.credentialType !== "x509" || credential.certificates.length !== 1) return false;
      const certificate = new X509Certificate(credential.certificates[0]);
      const key = certificate.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
      return issuers.some((root) => certificate.checkIssued(root) && certificate.verify(root.publicKey)) && key.equals(Buffer.from(signaturePublicKey));
    },
  };
}

const config = (roots) => ({
  keyRetentionConfig: mls.defaultKeyRetentionConfig, lifetimeConfig: mls.defaultLifetimeConfig,
  keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig, paddingConfig: mls.defaultPaddingConfig, authService: authService(roots),
});

const membersOf = (group) => group.ratchetTree.filter((node) => node?.nodeType === "leaf").map((node) => hex(vault.sha256(node.leaf.credential.certificates[0])));

// The ring key of an epoch: its row opens under a key of the exporter, to the commitment that the case's chain names (groups.md §6).
async function ringKey(group, caseId, row, wanted) {
  const version = row.readUInt32BE(29);
  need(row.length === 93 && row[0] === 1, "no ring row");
  need(row.subarray(1, 21).equals(Buffer.from(group.groupContext.groupId)) && row.readBigUInt64BE(21) === group.groupContext.epoch, "a row of another epoch");
  const wrapping = await mls.mlsExporter(group.keySchedule.exporterSecret, "custodia ring key", new Uint8Array(vault.join(unhex(caseId), vault.u32(version))), 32, suite);
  const cipher = createDecipheriv("aes-256-gcm", wrapping, row.subarray(33, 45)).setAAD(row.subarray(0, 33));
  cipher.setAuthTag(row.subarray(-16));
  const key = vault.join(cipher.update(row.subarray(45, -16)), cipher.final());
  need(hex(vault.sha256("custodia/ring/v1", unhex(caseId), vault.u32(version), key)) === wanted, "the ring key has another commitment");
  return { version, key };
}

const json = (file) => JSON.parse(readFileSync(file));
const acceptedOf = (records) => records.filter(vault.accepted).map(vault.intentOf).map(vault.payloadOf);

// The ring key of the epoch, by what the case's chain says of the change that began it.
async function settle(folder, state, caseId, group, row, records) {
  const { epoch } = group.groupContext;
  const change = acceptedOf(records).find((said) => said.kind === "member.change" && BigInt(said.body.epoch) + 1n === epoch)?.body;
  need(change, `the chain names no change to epoch ${epoch}`);
  const ring = await ringKey(group, caseId, row, change.ring_commitment);
  need(ring.version === change.ring_version, "a ring key of another version");
  state.rings[ring.version] = hex(ring.key);
  state.ring = ring.version;
  state.group = hex(mls.encodeGroupState(group));
  keep(folder, state);
  return { epoch: Number(epoch), ring: ring.version, members: membersOf(group) };
}

async function joinCase(folder, roots, caseId, welcomes, records) {
  const state = stateOf(folder);
  const row = json(welcomes).welcomes.find((one) => one.case === caseId);
  need(row, "no Welcome waits");
  const { welcome } = message(Buffer.from(row.welcome, "base64"), "mls_welcome");
  let group, failure;
  for (const kept of state.packages) {
    const { keyPackage } = message(unhex(kept.message), "mls_key_package");
    const secrets = { initPrivateKey: unhex(kept.init), hpkePrivateKey: unhex(kept.leaf), signaturePrivateKey: unhex(state.seed) };
    try {
      group = await mls.joinGroup(welcome, keyPackage, secrets, mls.emptyPskIndex, suite, undefined, undefined, config(roots));
      break;
    } catch (error) {
      // Only one of the key packages is the one that the Welcome was made for.
      if (!failure || !/No matching secret/.test(error.message)) failure = error;
    }
  }
  if (!group) throw failure;
  need(hex(group.groupContext.groupId) === caseId + hex(vault.u32(row.generation)), "a Welcome of another group");
  need(Number(group.groupContext.epoch) === row.epoch, "a Welcome of another epoch");
  return settle(folder, state, caseId, group, Buffer.from(row.ring_row, "base64"), json(records).records);
}

const groupOf = (state) => mls.decodeGroupState(new Uint8Array(unhex(state.group)), 0)[0];

async function follow(folder, roots, caseId, changes, records) {
  const state = stateOf(folder);
  let group = { ...groupOf(state), clientConfig: config(roots) }, said;
  for (const change of json(changes).changes) {
    const { publicMessage } = message(Buffer.from(change.commit, "base64"), "mls_public_message");
    group = (await mls.processPublicMessage(group, publicMessage, mls.emptyPskIndex, suite)).newState;
    said = await settle(folder, state, caseId, group, Buffer.from(change.ring_row, "base64"), json(records).records);
  }
  need(said, "no commit since");
  return said;
}

const enrolledOf = (registry) => acceptedOf(registry).filter((said) => said.kind === "device.enrol").map((said) => vault.certificateOf(said.body.certificate));

async function get(folder, url, from, file) {
  writeFileSync(file, await clientOf(stateOf(folder), url).ask("GET", from));
  return { from };
}

// The entry first: a signed intent to look at the exhibit; then what the server releases for it.
async function openExhibit(folder, url, caseId, exhibit, place) {
  const state = stateOf(folder);
  const client = clientOf(state, url);
  const base = `/v1/cases/${caseId}/exhibits/${exhibit}`;
  mkdirSync(place, { recursive: true });
  const save = async (name, from) => {
    writeFileSync(path(place, name), await client.ask("GET", from));
    return json(path(place, name));
  };
  const registry = (await save("registry.json", "/v1/registry/records?from=0")).records;
  const chain = (await save("chain.json", `${base}/records?from=0`)).records;
  await save("row.json", base);
  await save("grants.json", `/v1/cases/${caseId}/grants?from=0`);

  const { origin } = await client.get("/v1/server");
  const [, size, root] = (await client.ask("GET", "/checkpoint")).toString().split("\n");
  const context = groupOf(state).groupContext;
  const id = hex(randomBytes(16));
  const ring = { version: state.ring, key: unhex(state.rings[state.ring]) };
  const auditors = enrolledOf(registry).filter((certificate) => certificate.keyUsage?.some((oid) => oid.endsWith(".1.2")));
  const intent = {
    v: 1, origin, id, kind: "consultation", case: caseId, exhibit, purpose: "mutual-assistance", time: new Date().toISOString(), clock: "os",
    group: { id: hex(context.groupId), epoch: Number(context.epoch), transcript: hex(context.confirmedTranscriptHash) },
    seen: { size: Number(size), root: hex(Buffer.from(root, "base64")) },
    chain_seen: { seq: chain.length - 1, commitment: hex(vault.commitment(chain.at(-1))) },
    body: { mode: "view" },
    sealed: await vault.sealedReason(origin, id, caseId, ring, auditors, "Looked at by a program that is not ours"),
  };
  const text = vault.statement("custodia-intent+jws", vault.sha256(own(state).raw), intent, unhex(state.seed));
  const released = await client.post(`${base}/acts`, { intent: text });
  need(vault.intentOf(released.receipt.record) === text, "the receipt is for another intent");
  writeFileSync(path(place, "released.json"), JSON.stringify(released));
  for (const name of [released.manifest_object, ...released.objects]) writeFileSync(path(place, name), await client.ask("GET", `${base}/objects/${name}`));
  return { record: released.receipt.record.index };
}

// The group share: by the ring, if this device has the ring key of the exhibit, else by a grant.
async function groupShareOf(state, caseId, row, grants, enrolled) {
  const key = state.rings[row.ring_version];
  if (key) return { share: vault.groupShare(row, caseId, { version: row.ring_version, key: unhex(key) }), by: "ring" };
  for (const text of grants) {
    const granter = enrolled.find((certificate) => vault.idOf(certificate) === vault.signerOf(text));
    need(granter, "a grant of somebody whom nobody enrolled");
    const share = (await vault.openGrant(text, granter, own(state), unhex(state.sealing))).shares.get(row.exhibit);
    if (share) return { share, by: "grant" };
  }
  throw new Error("neither the ring nor a grant gives this exhibit's group share");
}

async function unseal(folder, caseId, exhibit, place, to) {
  const state = stateOf(folder);
  const part = (name) => json(path(place, name));
  const { share, by } = await groupShareOf(state, caseId, part("row.json"), part("grants.json").grants, enrolledOf(part("registry.json").records));
  const collection = acceptedOf(part("chain.json").records)[0].body;
  const released = part("released.json");
  const release = Buffer.from(released.release_share, "base64");
  need(hex(vault.sha256("custodia/release-share-commitment/v1", unhex(exhibit), release)) === collection.release_share_commitment, "another release share");
  const objects = [released.manifest_object, ...released.objects].map((name) => readFileSync(path(place, name)));
  const files = vault.unsealExhibit(exhibit, vault.exhibitKey(share, release, exhibit), collection, objects[0], objects.slice(1));
  for (const file of files) {
    const target = path(to, file.path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, file.content);
  }
  return { files: files.length, by };
}

const commands = { request, packages, get, join: joinCase, follow, open: openExhibit, unseal };
const [command, ...words] = process.argv.slice(2);
try {
  console.log(JSON.stringify(await commands[command](...words)));
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
}
