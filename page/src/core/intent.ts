// The intent: one act, signed by the device that does it. Source: docs/spec/custody.md, Intent.

import { byteLength, fromBase64Url, Refusal } from "./bytes.js";
import { concernOf, digest, EVIDENCE_PURPOSES, groupId, hexBytes, id, KINDS, LOG_PURPOSES, needsPurpose, readBody, type Act, type Purpose } from "./body.js";
import { isSealedTextLength } from "./cobblestone.js";
import { array, bytesBy, object, optional, readStrict, string, u32, u64, u8, word, type Codec, type Json } from "./json.js";
import { checkCompact, parseCompact, type CompactJws } from "./jws.js";
import { claimedTime, type ClaimedTime } from "./time.js";

/** The reserved case whose chain holds the identity records. */
export const REGISTRY = "0".repeat(32);

const MAX_RECIPIENTS = 64;
const MAX_RECIPIENT_BYTES = 128;
const MAX_AUDITORS = 32;
const RING_WRAP_BYTES = 104;
const AUDITOR_WRAP_BYTES = 1120 + 32 + 16;

const b64url = bytesBy(fromBase64Url, "not unpadded base64url");
const json: Codec<Json> = (value) => value;
const sealedCodec = object({
  message: b64url,
  ring: optional(object({ version: u32, wrap: b64url })),
  auditors: array(object({ certificate: digest, wrap: b64url })),
  trust_list: u64,
});
const payloadCodec = object({
  v: u8,
  origin: string,
  id,
  kind: word(...KINDS),
  case: id,
  exhibit: optional(id),
  purpose: optional(word<Purpose>(...EVIDENCE_PURPOSES, ...LOG_PURPOSES)),
  recipients: optional(array(string)),
  time: claimedTime,
  clock: word("os", "ntp", "manual"),
  group: optional(object({ id: groupId, epoch: u64, transcript: hexBytes })),
  seen: object({ size: u64, root: digest }),
  chain_seen: optional(object({ seq: u64, commitment: digest })),
  body: json,
  sealed: optional(sealedCodec),
});

/** What a device states when it acts. Its form is right; nobody has judged whether the act is allowed. */
export interface Intent {
  origin: string;
  id: string;
  case: string;
  exhibit: string | null;
  purpose: Purpose | null;
  recipients: string[];
  time: ClaimedTime;
  seen: { size: bigint; root: string };
  chainSeen: { seq: bigint; commitment: string } | null;
  act: Act;
  /** The message of the sealed reason. */
  sealed: Uint8Array | null;
  /** The certificate id that the header names. */
  signer: string;
  /** The compact JWS exactly as it was signed. */
  text: string;
}

/** An intent whose form is right and whose signature nobody has checked. */
export interface UnverifiedIntent {
  jws: CompactJws;
  claims: Intent;
}

/** Reads a compact JWS, its payload and the body of its kind. */
export function parseIntent(text: string): UnverifiedIntent {
  const jws = parseCompact(text, "custodia-intent+jws");
  const payload = readStrict(jws.payload, payloadCodec);
  if (payload.v !== 1) throw new Refusal(`malformed intent: version ${payload.v} is newer than this program`);
  const act = readBody(payload.kind, payload.body);
  checkShape(payload, act);
  const claims: Intent = {
    origin: payload.origin,
    id: payload.id,
    case: payload.case,
    exhibit: payload.exhibit ?? null,
    purpose: payload.purpose ?? null,
    recipients: payload.recipients ?? [],
    time: payload.time,
    seen: payload.seen,
    chainSeen: payload.chain_seen ?? null,
    act,
    sealed: payload.sealed?.message ?? null,
    signer: jws.signer,
    text,
  };
  return { jws, claims };
}

/** The intent, once its signature verified under the key. */
export function verifyIntent(intent: UnverifiedIntent, key: Uint8Array): Intent {
  checkCompact(intent.jws, key);
  return intent.claims;
}

/** Checks the presence of members against the table of kinds. */
function checkShape(payload: ReturnType<typeof payloadCodec>, act: Act): void {
  const { kind } = act;
  const concern = concernOf(kind);
  const demand = (holds: boolean, problem: string): void => {
    if (!holds) throw new Refusal(`malformed intent: ${kind} ${problem}`);
  };
  demand((payload.exhibit !== undefined) === (concern === "exhibit"), "names an exhibit exactly if it concerns one");
  demand((payload.purpose !== undefined) === needsPurpose(kind), "carries a purpose code exactly if one is asked for");
  const forLog = payload.purpose !== undefined && (LOG_PURPOSES as readonly string[]).includes(payload.purpose);
  demand(payload.purpose === undefined || forLog === (kind === "log.read"), "carries a purpose code of the other use (evidence, or reading the log)");
  demand((payload.sealed !== undefined) === (concern !== "registry"), "carries a sealed reason exactly if one is asked for");
  const ofRegistry = payload.case === REGISTRY;
  demand(concern === "registry" ? ofRegistry : concern === "log" || !ofRegistry, "names the wrong chain");
  const inGroup = (concern === "case" || concern === "exhibit") && kind !== "case.create";
  demand((payload.group !== undefined) === inGroup, "names the epoch held exactly if it acts in a group");
  const continues = concern === "exhibit" && kind !== "collection";
  demand((payload.chain_seen !== undefined) === continues, "names the exhibit's last known record exactly if the chain has one");
  checkRecipients(payload.recipients, kind, demand);
  const { group, sealed } = payload;
  const transcript = group?.epoch === 0n ? 0 : 48;
  demand(!group || group.transcript.length === transcript, "names a group or transcript of a length that its epoch does not have");
  if (!sealed) return;
  // A device that comes back may have lost the ring key together with the group.
  const returns = act.kind === "member.change" && act.body.resync;
  demand(returns || (sealed.ring !== undefined) === (kind !== "log.read"), "seals its reason to the case's members exactly if it is an act within a case");
  demand(sealed.auditors.length <= MAX_AUDITORS, "seals its reason to more than 32 auditors");
  const ring = !sealed.ring || (sealed.ring.version > 0 && sealed.ring.wrap.length === RING_WRAP_BYTES);
  const auditors = sealed.auditors.every((one) => one.wrap.length === AUDITOR_WRAP_BYTES);
  demand(ring && auditors && isSealedTextLength(sealed.message.length), "carries a sealed reason or wrap of a length that none has");
}

function checkRecipients(recipients: string[] | undefined, kind: string, demand: (holds: boolean, problem: string) => void): void {
  if (!recipients) return demand(kind !== "disclosure", "names at least one recipient (LED Art 25(1))");
  demand(recipients.length > 0, "has an empty list of recipients");
  demand(kind === "disclosure" || kind === "consent.give", "has no recipients");
  const fits = recipients.every((text) => text !== "" && byteLength(text) <= MAX_RECIPIENT_BYTES);
  demand(recipients.length <= MAX_RECIPIENTS && fits, "has more than 64 recipients, or one that is empty or longer than 128 bytes");
}
