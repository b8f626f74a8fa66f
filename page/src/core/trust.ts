// The verifier's own trust file: what it pins. Nothing in a dossier adds to it. Source: docs/spec/dossier.md, Verification.

import { isBlank, isDigest, Refusal, toHex } from "./bytes.js";
import { checkKeyName, parseVkey, type VerifierKey } from "./note.js";
import { parsePolicy, type Policy } from "./policy.js";
import { sha256 } from "./primitives.js";
import { parsePem, parseTsaCertificate, type TsaCertificate } from "./tsa-certificate.js";
import { parseToml } from "./toml.js";

export interface Trust {
  origin: string;
  log: VerifierKey;
  /** SHA-256 of the first trust list's payload. */
  pin: string;
  /** Whose cosignatures are demanded; null if the policy is absent or demands none. */
  policy: Policy | null;
  /** The roots of time-stamping authorities that are believed. */
  tsaRoots: TsaCertificate[];
  stampsDemanded: boolean;
  /** How far apart the two stamps around a record may be, in milliseconds; null if there is no limit. */
  stampWindowMillis: number | null;
}

const MEMBERS = ["origin", "log", "trust_pin", "policy", "tsa_roots", "stamps", "stamp_window_seconds"];

/** Reads the TOML text of a trust file; the key that is wrong is named. */
export function parseTrust(text: string): Trust {
  const wrong = (key: string, problem: string): Refusal => new Refusal(`the trust file's ${key} is not usable: ${problem}`);
  const by = <T>(key: string, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw error instanceof Refusal ? wrong(key, error.message) : error;
    }
  };
  const values = by("text", () => parseToml(text));
  for (const key of values.keys()) if (!MEMBERS.includes(key)) throw wrong("text", `unknown field ${JSON.stringify(key)}`);
  const string = (key: string): string | undefined => {
    const value = values.get(key);
    if (value !== undefined && typeof value !== "string") throw wrong("text", `${key} is not a string`);
    return value;
  };
  const required = (key: string): string => {
    const value = string(key);
    if (value === undefined) throw wrong("text", `missing field ${key}`);
    return value;
  };
  const origin = by("origin", () => checkKeyName(required("origin")));
  const log = by("log", () => parseVkey(required("log"), 1));
  if (log.name !== origin) throw wrong("log", `the key is named for ${log.name}, not for ${origin}`);
  const pin = required("trust_pin");
  if (!isDigest(pin)) throw wrong("trust_pin", "a digest is 64 lower-case hexadecimal digits");
  const policyText = string("policy") ?? "";
  // The log's own key is pinned above, so a policy that names only cosigners is complete.
  const policy = isBlank(policyText) ? null : by("policy", () => parsePolicy(`log ${log.text}\n${policyText}`));
  const tsaRoots = by("tsa_roots", () => parsePem(string("tsa_roots") ?? "").map(parseTsaCertificate));
  const stamps = string("stamps") ?? "shown";
  if (stamps !== "shown" && stamps !== "demanded") throw wrong("stamps", 'it is neither "shown" nor "demanded"');
  if (stamps === "demanded" && tsaRoots.length === 0) {
    throw wrong("tsa_roots", "stamps are demanded, and no root says by whom: add the authority's root in PEM");
  }
  const window = values.get("stamp_window_seconds");
  if (window !== undefined && typeof window !== "bigint") throw wrong("text", "stamp_window_seconds is not an integer");
  if (window !== undefined && (window < 0n || window * 1000n >= 1n << 64n)) throw wrong("stamp_window_seconds", "it is longer than any time that a log can carry");
  return {
    origin,
    log,
    pin,
    policy: policy?.quorum ? policy : null,
    tsaRoots,
    stampsDemanded: stamps === "demanded",
    stampWindowMillis: window === undefined ? null : Number(window) * 1000,
  };
}

/** What a trust file pins, as it is shown to whoever uses it before a verdict is given. */
export function pinned(trust: Trust): { what: "log" | "list" | "cosigner" | "authority"; name: string; fingerprint: string }[] {
  const key = (one: VerifierKey): string => toHex(sha256(one.key));
  return [
    { what: "log", name: trust.log.name, fingerprint: key(trust.log) },
    { what: "list", name: trust.origin, fingerprint: trust.pin },
    ...(trust.policy?.witnesses ?? []).map((one) => ({ what: "cosigner" as const, name: one.name, fingerprint: key(one) })),
    ...trust.tsaRoots.map((root) => ({ what: "authority" as const, name: root.subjectText, fingerprint: toHex(sha256(root.der)) })),
  ];
}
