// The trust list: which offices there are, and what each may certify. Source: docs/spec/identity.md §4, §5.

import { equal, fromBase64, isDigest, Refusal, toHex } from "./bytes.js";
import { isCountry, isOfficeId, isShownText, parseRoot, type DeviceCertificate, type Role, type RootCertificate } from "./certificate.js";
import { verifyEd25519 } from "./ed25519.js";
import { array, nullable, object, readStrict, string, text, u16, u64, u8, word } from "./json.js";
import { parseGeneral, type GeneralJws } from "./jws.js";
import { sha256 } from "./primitives.js";
import { claimedTime, type ClaimedTime } from "./time.js";

const MAX_PAYLOAD_BYTES = 256 * 1024;
const MAX_NUMBER = (1n << 53n) - 1n;

const officeId = text(isOfficeId, "an office id is 1 to 32 of a-z, 0-9, '-' and '.', the first a letter");
const payloadCodec = object({
  v: u8,
  number: u64,
  previous: nullable(text(isDigest, "a digest is 64 lower-case hexadecimal digits")),
  issued: claimedTime,
  threshold: u16,
  offices: array(
    object({
      id: officeId,
      name: text((name) => isShownText(name, 64), "a name that is not a text to be shown"),
      country: text(isCountry, "a country is two upper-case letters"),
      roles: array(word("prosecutor", "auditor", "recovery", "administrator")),
      roots: array(object({ certificate: string, from: claimedTime, until: claimedTime })),
      supervises: array(officeId),
    }),
  ),
});

export interface OfficeRoot {
  certificate: RootCertificate;
  from: ClaimedTime;
  until: ClaimedTime;
}

export interface Office {
  id: string;
  name: string;
  country: string;
  roles: Role[];
  roots: OfficeRoot[];
}

export interface TrustList {
  digest: string;
  number: bigint;
  previous: string | null;
  issued: ClaimedTime;
  threshold: number;
  offices: Office[];
}

/** A list that has its form; whether anybody signed it is not checked. */
export interface UnverifiedTrustList {
  list: TrustList;
  jws: GeneralJws;
}

export function inForce(root: OfficeRoot, millis: number): boolean {
  return root.from.millis <= millis && millis < root.until.millis;
}

/** A root by its certificate's id, with its office; it need not be in force. */
export function rootOf(list: TrustList, id: string): { office: Office; root: OfficeRoot } | null {
  for (const office of list.offices) {
    const root = office.roots.find((one) => one.certificate.id === id);
    if (root) return { office, root };
  }
  return null;
}

function malformed(problem: string): Refusal {
  return new Refusal(`malformed trust list: ${problem}`);
}

export function parseTrustList(source: string): UnverifiedTrustList {
  const jws = parseGeneral(source, "custodia-trust-list+jws");
  return { jws, list: readPayload(jws.payload) };
}

function readPayload(bytes: Uint8Array): TrustList {
  if (bytes.length > MAX_PAYLOAD_BYTES) throw malformed("the payload is longer than 262144 bytes");
  const payload = readStrict(bytes, payloadCodec);
  if (payload.v !== 1) throw malformed("not version 1");
  if (payload.number < 1n || payload.number > MAX_NUMBER || (payload.number === 1n) !== (payload.previous === null)) {
    throw malformed("the number is out of range, or does not agree with the presence of a list before");
  }
  if (payload.offices.length < 1 || payload.offices.length > 64) throw malformed("not 1 to 64 offices");
  if (payload.threshold === 0 || payload.threshold > payload.offices.length) throw malformed("the threshold is not 1 to the number of offices");
  const offices = payload.offices.map((office) => {
    if (office.roots.length < 1 || office.roots.length > 4) throw malformed("an office has not 1 to 4 roots");
    if (office.roles.length === 0 || hasTwice(office.roles) || hasTwice(office.supervises)) {
      throw malformed("an office has no role, or a role or supervised office twice");
    }
    if (office.supervises.length > 0 && !office.roles.includes("auditor")) throw malformed("an office supervises and may not certify auditors");
    return { ...office, roots: office.roots.map((root) => readRoot(office, root)) };
  });
  const ids = offices.map((office) => office.id);
  if (hasTwice(ids)) throw malformed("an office is there twice");
  const keys = offices.flatMap((office) => office.roots.map((root) => toHex(root.certificate.key)));
  if (hasTwice(keys)) throw malformed("a root key is there twice");
  if (offices.some((office) => office.supervises.some((one) => !ids.includes(one)))) throw malformed("a supervised office is not on the list");
  const { number, previous, issued, threshold } = payload;
  return { digest: toHex(sha256(bytes)), number, previous, issued, threshold, offices };
}

function readRoot(
  office: { id: string; name: string; country: string },
  root: { certificate: string; from: ClaimedTime; until: ClaimedTime },
): OfficeRoot {
  const der = fromBase64(root.certificate);
  if (!der) throw malformed("a root is not base64");
  const certificate = parseRoot(der);
  if (certificate.office !== office.id || certificate.name !== office.name || certificate.country !== office.country) {
    throw malformed("a root has another office, name or country than its office");
  }
  const within = (time: ClaimedTime): boolean => time.millis >= certificate.notBefore && time.millis <= certificate.notAfter;
  if (root.from.millis >= root.until.millis || !within(root.from) || !within(root.until)) {
    throw malformed("a root is in force at no time, or beyond its certificate's validity");
  }
  return { certificate, from: root.from, until: root.until };
}

function hasTwice(items: string[]): boolean {
  return new Set(items).size < items.length;
}

/** Accepts list 1: the pinned one, signed by as many of its own offices as it says. */
export function verifyFirst({ list, jws }: UnverifiedTrustList, pin: string): TrustList {
  if (list.digest !== pin) throw new Refusal(`the first trust list is ${list.digest}, not the pinned one`);
  if (list.number !== 1n) throw new Refusal("the trust list does not follow the last: it is not number 1");
  checkSignatures(list, jws, list);
  return list;
}

/** Accepts the list after `last`: it names it, and enough offices of `last` signed. */
export function verifySuccessor({ list, jws }: UnverifiedTrustList, last: TrustList): TrustList {
  const refusal = (problem: string): Refusal => new Refusal(`the trust list does not follow the last: ${problem}`);
  if (list.number !== last.number + 1n) throw refusal("it is not the next number");
  if (list.previous !== last.digest) throw refusal("it names another list as the one before");
  if (list.issued.millis < last.issued.millis) throw refusal("it was issued before");
  checkSignatures(list, jws, last);
  return list;
}

function checkSignatures(list: TrustList, jws: GeneralJws, deciding: TrustList): void {
  const signed = new Set<string>();
  for (const one of jws.signatures) {
    const found = rootOf(deciding, one.signer);
    if (!found || !inForce(found.root, list.issued.millis)) {
      throw new Refusal(`the trust list is signed with ${one.signer}, which is no root in force of an office that decides on it`);
    }
    if (signed.has(found.office.id)) throw new Refusal(`${found.office.id} signed the trust list twice`);
    if (!verifyEd25519(one.signature, one.signingInput, found.root.certificate.key)) {
      throw new Refusal(`the signature of ${found.office.id} on the trust list does not verify`);
    }
    signed.add(found.office.id);
  }
  if (signed.size < deciding.threshold) throw new Refusal(`${signed.size} offices signed the trust list, ${deciding.threshold} must`);
}

/** A device certificate for which an office of a trust list vouched at one moment. */
export interface Certificate extends DeviceCertificate {
  /** Id of the root that issued it. */
  root: string;
}

/** Decides whether an office of a list vouches for a device certificate at a moment. Source: docs/spec/identity.md §5. */
export function certify(list: TrustList, certificate: DeviceCertificate, millis: number): Certificate {
  const office = list.offices.find((one) => one.id === certificate.office);
  if (!office) throw new Refusal(`the office ${certificate.office} is not on the trust list`);
  const issuer = office.roots.find(
    (root) => inForce(root, millis) && equal(root.certificate.subject, certificate.issuer) && root.certificate.keyId === certificate.issuerKeyId,
  );
  if (!issuer) throw new Refusal(`no root of ${office.id} in force at that time issued the certificate`);
  if (!verifyEd25519(certificate.signature, certificate.signed, issuer.certificate.key)) {
    throw new Refusal("the root's signature on the certificate does not verify");
  }
  const second = Math.floor(millis / 1000) * 1000;
  if (second < certificate.notBefore) throw new Refusal("the certificate is not valid yet");
  if (second > certificate.notAfter) throw new Refusal("the certificate is no longer valid");
  if (certificate.country !== office.country) throw new Refusal(`the certificate says ${certificate.country}, its office is of ${office.country}`);
  if (!office.roles.includes(certificate.role)) throw new Refusal(`the office ${office.id} may not certify the role ${certificate.role}`);
  return { ...certificate, root: issuer.certificate.id };
}
