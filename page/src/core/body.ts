// The kinds of custody acts and the kind-specific signed part of an intent. Source: docs/spec/custody.md, Kinds.

import { fromBase64, fromHex, isDigest, Refusal } from "./bytes.js";
import { array, boolean, bytesBy, object, optional, string, tagged, text, u32, u64, word, type Codec } from "./json.js";
import { date } from "./time.js";

export const digest = text(isDigest, "a digest is 64 lower-case hexadecimal digits");
export const id = text((value) => /^[0-9a-f]{32}$/.test(value), "not an identifier of 32 lower-case hexadecimal digits");
export const groupId = text((value) => /^[0-9a-f]{40}$/.test(value), "not a group id of 20 bytes");

export type Concern = "registry" | "case" | "exhibit" | "log";
export type Handling = "H0" | "H1" | "H2" | "H3";

const ringVersion: Codec<number> = (json, strict) => {
  const version = u32(json, strict);
  if (version === 0) throw new Refusal("ring version 0");
  return version;
};
const handling: Codec<Handling> = word("H0", "H1", "H2", "H3");
const derivation = object({ how: word("copy", "extract", "redaction", "translation", "transcript"), other: digest });
const nothing = object({});
const adds = array(object({ certificate: digest, terms: word("founder", "full", "chosen", "none", "resync", "recovery") }));
const confirm = object({ step: word("confirm"), proposal: id, digest });

const collection = object({
  manifest_commitment: digest,
  manifest_object: digest,
  objects: u64,
  objects_digest: digest,
  sealed_bytes: u64,
  exhibit_key_commitment: digest,
  release_share_commitment: digest,
  ring_version: ringVersion,
  handling,
  review: date,
  derivation: optional(derivation),
});
const disclosure = tagged("form", {
  export: object({ form: word("export") }),
  grant: object({ form: word("grant"), grant: digest, device: digest }),
  dossier: object({ form: word("dossier"), payload: digest }),
  transfer: object({ form: word("transfer"), means: word("usb", "courier", "post", "in-person", "other-system") }),
} as Record<string, Codec<Disclosure>>);
const erasure = tagged("step", { propose: object({ step: word("propose"), records: array(u64) }), confirm } as Record<string, Codec<Erasure>>);
const recovery = tagged<unknown>("step", { propose: object({ step: word("propose"), lost: digest, device: digest }), confirm });

export type Collection = ReturnType<typeof collection>;
export type Disclosure =
  | { form: "export" }
  | { form: "grant"; grant: string; device: string }
  | { form: "dossier"; payload: string }
  | { form: "transfer"; means: string };
export type Erasure = { step: "propose"; records: bigint[] } | { step: "confirm"; proposal: string; digest: string };

const errorText = text((value) => /^[ -~]{0,200}$/.test(value), "an error of more than 200 bytes, or not of printable ASCII");
const positive: Codec<number> = (json, strict) => {
  const value = u32(json, strict);
  if (value === 0) throw new Refusal("generation 0");
  return value;
};

const bodies = {
  collection,
  consultation: object({ mode: word("view") }),
  disclosure,
  alteration: object({ handling: optional(handling), review: optional(date) }),
  combination: object({ derivation }),
  erasure,
  "hold.place": nothing,
  "hold.lift": nothing,
  "restriction.place": nothing,
  "restriction.lift": nothing,
  "consent.give": object({ to: word("judicial-use", "onward") }),
  "case.create": object({
    group_id: groupId,
    group_info: digest,
    ring_version: ringVersion,
    ring_commitment: digest,
    ring_row: digest,
    members: adds,
    parent: optional(id),
    review: date,
  }),
  "case.recovery": recovery,
  "member.change": object({
    epoch: u64,
    commit: digest,
    welcome: optional(digest),
    ring_version: ringVersion,
    ring_commitment: digest,
    ring_row: optional(digest),
    adds,
    removes: array(digest),
    resync: boolean,
  }),
  "member.leave": nothing,
  "group.report": object({ epoch: u64, commit: digest, error: errorText }),
  "group.succeed": object({
    generation: positive,
    epoch: u64,
    bad: digest,
    group_info: digest,
    commit: digest,
    welcome: optional(digest),
    ring_version: ringVersion,
    ring_commitment: digest,
    ring_row: digest,
    members: array(digest),
  }),
  "device.enrol": object({ certificate: bytesBy(fromBase64, "not Base64") }),
  "device.revoke": object({ device: id, reason: word("key-compromise", "lost", "left", "superseded", "other") }),
  "trust.list": object({ list: string }),
  "log.origin": object({ previous: string, size: u64, root: digest }),
  "log.read": object({ from: u64, to: u64 }),
};

export type Kind = keyof typeof bodies;
/** The kind of an act and the body that belongs to it. */
export type Act = { [K in Kind]: { kind: K; body: ReturnType<(typeof bodies)[K]> } }[Kind];

export const KINDS = Object.keys(bodies) as Kind[];

export function readBody(kind: Kind, json: Parameters<Codec<unknown>>[0]): Act {
  return { kind, body: (bodies[kind] as Codec<unknown>)(json, true) } as Act;
}

export function concernOf(kind: Kind): Concern {
  if (["device.enrol", "device.revoke", "trust.list", "log.origin"].includes(kind)) return "registry";
  if (kind === "log.read") return "log";
  return /^(case|member|group)\./.test(kind) ? "case" : "exhibit";
}

export function needsPurpose(kind: Kind): boolean {
  return ["consultation", "disclosure", "erasure", "log.read"].includes(kind);
}

export const EVIDENCE_PURPOSES = ["investigation", "prosecution", "trial", "defence-access", "victim-protection", "mutual-assistance"] as const;
export const LOG_PURPOSES = ["lawfulness-check", "self-monitoring", "integrity-security", "criminal-proceedings"] as const;
export type Purpose = (typeof EVIDENCE_PURPOSES)[number] | (typeof LOG_PURPOSES)[number];

/** Bytes in hexadecimal digits of an object that the page names, or none. */
export const hexBytes = bytesBy(fromHex, "not lower-case hexadecimal digits");
