// Office roots and device certificates: X.509 of one narrow profile. Source: docs/spec/identity.md §2.
//
// Every value that the profile fixes has one encoding in DER, so it is compared as bytes.

import { equal, isBlank, isControl, isWhiteSpace, points, Refusal, toHex, utf8, byteLength } from "./bytes.js";
import { bitString, boolean, DerReader, inside, oid, single, TAG, time, type Element } from "./der.js";
import { isUsableKey, verifyEd25519 } from "./ed25519.js";
import { sha256 } from "./primitives.js";

const MAX_CERTIFICATE_BYTES = 4096;
const DAY_SECONDS = 86_400;
const ROOT_DAYS = 7305;
const DEVICE_DAYS = 397;
const YEAR_2050 = 2_524_608_000_000;

const ED25519_ALGORITHM = Uint8Array.of(0x30, 5, 6, 3, 0x2b, 0x65, 0x70);
/** The arc 1.3.6.1.4.1.32473; docs/decisions/0002-oid-arc.md. */
const ARC = "1.3.6.1.4.1.32473";
const ROLE_OID = Uint8Array.of(0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 1);

export type Role = "prosecutor" | "auditor" | "recovery" | "administrator";
const ROLES: Role[] = ["prosecutor", "auditor", "recovery", "administrator"];

const OID = {
  country: "2.5.4.6",
  organisation: "2.5.4.10",
  unit: "2.5.4.11",
  commonName: "2.5.4.3",
  userId: "0.9.2342.19200300.100.1.1",
  serialNumber: "2.5.4.5",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectKeyId: "2.5.29.14",
  authorityKeyId: "2.5.29.35",
  sealingKey: `${ARC}.2.1`,
};

/** What roots and device certificates have in common. */
interface Parts {
  id: string;
  signed: Uint8Array;
  signature: Uint8Array;
  issuer: Uint8Array;
  subject: Uint8Array;
  subjectNames: Element[];
  notBefore: number;
  notAfter: number;
  key: Uint8Array;
  extensions: Map<string, { critical: boolean; value: Uint8Array }>;
}

export interface RootCertificate extends Pick<Parts, "id" | "subject" | "key" | "notBefore" | "notAfter"> {
  office: string;
  country: string;
  name: string;
  /** Hexadecimal digits of the identifier of its key. */
  keyId: string;
}

/** A device certificate that has its form; nobody has vouched for what it says, not even its signature is checked. */
export interface DeviceCertificate extends Parts {
  issuerKeyId: string;
  role: Role;
  country: string;
  office: string;
  /** `office/local`. */
  person: string;
  name: string;
  label: string;
  device: string;
  sealingKey: Uint8Array | null;
}

function malformed(field: string, fault: string): Refusal {
  return new Refusal(`${field}: ${fault}`);
}

/** Hexadecimal digits of the first 20 bytes of the SHA-256 of a key. Source: RFC 7093 §2, method 1. */
function keyIdentifier(key: Uint8Array): string {
  return toHex(sha256(key).subarray(0, 20));
}

function read(der: Uint8Array, longestDays: number): Parts {
  if (der.length > MAX_CERTIFICATE_BYTES) throw malformed("certificate", "longer than 4096 bytes");
  const certificate = inside(single(der, TAG.sequence, "certificate"));
  const body = certificate.expect(TAG.sequence, "certificate");
  const algorithm = certificate.next();
  const signature = bitString(certificate.next());
  certificate.end("certificate");

  const fields = inside(body);
  const version = fields.next();
  if (toHex(version.whole) !== "a003020102") throw malformed("version", "not X.509 version 3, or with unique ids");
  const serial = fields.expect(TAG.integer, "serial").content;
  if (serial.length !== 16 || (serial[0] as number) < 0x40 || (serial[0] as number) > 0x7f) {
    throw malformed("serial", "not 16 bytes, the first 40 to 7f");
  }
  const inner = fields.next();
  if (!equal(inner.whole, ED25519_ALGORITHM) || !equal(algorithm.whole, ED25519_ALGORITHM)) {
    throw malformed("signature algorithm", "not Ed25519 without parameters");
  }
  const issuer = fields.expect(TAG.sequence, "issuer").whole;
  const validity = inside(fields.expect(TAG.sequence, "validity"));
  const [notBefore, notAfter] = [moment(validity.next()), moment(validity.next())];
  validity.end("validity");
  if (notAfter < notBefore || notAfter - notBefore > longestDays * DAY_SECONDS * 1000) {
    throw malformed("validity", "ends before it begins, or is longer than permitted");
  }
  const subject = fields.expect(TAG.sequence, "subject");
  const publicKey = inside(fields.expect(TAG.sequence, "key"));
  if (!equal(publicKey.next().whole, ED25519_ALGORITHM)) throw malformed("key", "not Ed25519 without parameters");
  const key = bitString(publicKey.next());
  publicKey.end("key");
  if (!isUsableKey(key)) throw malformed("key", "not a usable Ed25519 key");
  if (signature.length !== 64) throw malformed("signature", "not 64 bytes");
  const extensions = readExtensions(fields.expect(0xa3, "extensions"));
  fields.end("certificate");
  const subjectNames = inside(subject).rest();
  const id = toHex(sha256(der));
  return { id, signed: body.whole, signature, issuer, subject: subject.whole, subjectNames, notBefore, notAfter, key, extensions };
}

/** A time in the one form that RFC 5280 §4.1.2.5 leaves it. */
function moment(element: Element): number {
  const millis = time(element);
  if (millis % 1000 !== 0 || (element.tag === TAG.utcTime) !== millis < YEAR_2050) {
    throw malformed("validity", "not UTCTime before 2050 and GeneralizedTime from then on");
  }
  return millis;
}

function readExtensions(element: Element): Parts["extensions"] {
  const found: Parts["extensions"] = new Map();
  for (const one of inside(single(element.content, TAG.sequence, "extensions")).rest()) {
    if (one.tag !== TAG.sequence) throw malformed("extensions", "not extensions");
    const parts = inside(one);
    const kind = oid(parts.next());
    const flag = parts.maybe(TAG.boolean);
    // DER leaves out what is the default.
    if (flag && !boolean(flag)) throw malformed("extensions", "not in canonical DER");
    const value = parts.expect(TAG.octetString, "extension").content;
    parts.end("extension");
    if (found.has(kind)) throw malformed("extensions", "one occurs twice");
    found.set(kind, { critical: flag !== null, value });
  }
  return found;
}

/** Takes out an extension if it is there; it must be as critical as the profile says. */
function take(parts: Parts, kind: string, field: string, critical: boolean): Uint8Array | null {
  const extension = parts.extensions.get(kind);
  if (!extension) return null;
  if (extension.critical !== critical) throw malformed(field, critical ? "not critical" : "critical");
  parts.extensions.delete(kind);
  return extension.value;
}

function require(parts: Parts, kind: string, field: string, critical: boolean): Uint8Array {
  const value = take(parts, kind, field, critical);
  if (!value) throw malformed(field, "missing");
  return value;
}

function requireExactly(parts: Parts, kind: string, field: string, critical: boolean, hex: string): void {
  if (toHex(require(parts, kind, field, critical)) !== hex) throw malformed(field, "not as the profile has it");
}

function finish(parts: Parts): void {
  requireExactly(parts, OID.subjectKeyId, "SubjectKeyIdentifier", false, `0414${keyIdentifier(parts.key)}`);
  if ([...parts.extensions.values()].some((extension) => extension.critical)) {
    throw malformed("extensions", "a critical one is not in the profile");
  }
}

/** The texts of a name that has exactly these attributes, in this order, each in a relative name of its own. */
function texts(names: Element[], form: [string, number][]): string[] {
  if (names.length !== form.length) throw malformed("subject", "does not have exactly the attributes of the profile");
  return form.map(([kind, tag], at) => {
    const relative = names[at] as Element;
    if (relative.tag !== TAG.set) throw malformed("subject", "not a name");
    const attribute = inside(single(relative.content, TAG.sequence, "subject"));
    const [found, value] = [oid(attribute.next()), attribute.next()];
    attribute.end("subject");
    if (found !== kind || value.tag !== tag) throw malformed("subject", "has an attribute or string type that the profile does not have in this place");
    const text = utf8(value.content);
    if (text === null) throw malformed("subject", "has a text that is not UTF-8");
    return text;
  });
}

/** Reads a root certificate and checks its own signature. Whether anybody trusts it, a trust list says. */
export function parseRoot(der: Uint8Array): RootCertificate {
  const parts = read(der, ROOT_DAYS);
  const [country, office, name] = texts(parts.subjectNames, [
    [OID.country, TAG.printableString],
    [OID.organisation, TAG.utf8String],
    [OID.commonName, TAG.utf8String],
  ]) as [string, string, string];
  if (!isCountry(country) || !isOfficeId(office) || !isShownText(name, 64)) throw malformed("subject", "a text is not of its form");
  if (!equal(parts.issuer, parts.subject)) throw malformed("issuer", "not the subject");
  requireExactly(parts, OID.basicConstraints, "BasicConstraints", true, "30060101ff020100");
  requireExactly(parts, OID.keyUsage, "KeyUsage", true, "03020284");
  finish(parts);
  if (!verifyEd25519(parts.signature, parts.signed, parts.key)) throw malformed("signature", "not by its own key");
  const { id, subject, key, notBefore, notAfter } = parts;
  return { id, subject, key, notBefore, notAfter, office, country, name, keyId: keyIdentifier(key) };
}

/** Reads a device certificate; its signature is not checked. */
export function parseDevice(der: Uint8Array): DeviceCertificate {
  const parts = read(der, DEVICE_DAYS);
  requireExactly(parts, OID.basicConstraints, "BasicConstraints", true, "3000");
  requireExactly(parts, OID.keyUsage, "KeyUsage", true, "03020780");
  const role = roleOf(require(parts, OID.extendedKeyUsage, "ExtendedKeyUsage", true));
  const authority = toHex(require(parts, OID.authorityKeyId, "AuthorityKeyIdentifier", false));
  if (!/^30168014[0-9a-f]{40}$/.test(authority)) throw malformed("AuthorityKeyIdentifier", "not 20 bytes, or has more than keyIdentifier");
  const sealed = take(parts, OID.sealingKey, "sealing key", false);
  if (!sealed && role !== "administrator") throw malformed("sealing key", "missing");
  const sealingKey = sealed && single(sealed, TAG.octetString, "sealing key").content;
  if (sealingKey && sealingKey.length !== 1216) throw malformed("sealing key", "not 1216 bytes");
  finish(parts);
  const [country, office, label, name, local, device] = texts(parts.subjectNames, [
    [OID.country, TAG.printableString],
    [OID.organisation, TAG.utf8String],
    [OID.unit, TAG.utf8String],
    [OID.commonName, TAG.utf8String],
    [OID.userId, TAG.utf8String],
    [OID.serialNumber, TAG.printableString],
  ]) as [string, string, string, string, string, string];
  const fits =
    isCountry(country) && isOfficeId(office) && isShownText(label, 32) && isShownText(name, 64) && isLocalId(local) && /^[0-9a-f]{32}$/.test(device);
  if (!fits) throw malformed("subject", "a text is not of its form");
  return { ...parts, issuerKeyId: authority.slice(8), role, country, office, person: `${office}/${local}`, name, label, device, sealingKey };
}

function roleOf(value: Uint8Array): Role {
  const purposes = new DerReader(single(value, TAG.sequence, "ExtendedKeyUsage").content).rest();
  const purpose = purposes.length === 1 && (purposes[0] as Element).tag === TAG.oid ? (purposes[0] as Element).content : null;
  if (!purpose) throw malformed("ExtendedKeyUsage", "not exactly one role");
  const role = purpose.length === 10 && equal(purpose.subarray(0, 9), ROLE_OID) ? ROLES[(purpose[9] as number) - 1] : undefined;
  if (!role) throw malformed("ExtendedKeyUsage", "not a role");
  return role;
}

export function isCountry(text: string): boolean {
  return /^[A-Z]{2}$/.test(text);
}

export function isOfficeId(text: string): boolean {
  return /^[a-z][a-z0-9.-]{0,31}$/.test(text);
}

export function isLocalId(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,31}$/.test(text);
}

export function isPersonId(text: string): boolean {
  const slash = text.indexOf("/");
  return slash > 0 && isOfficeId(text.slice(0, slash)) && isLocalId(text.slice(slash + 1));
}

/** Characters that are invisible, change the direction of writing, or have no agreed meaning. */
function isDeceptive(point: number): boolean {
  const single = [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e, 0x3164, 0xfeff, 0xffa0];
  const within = (least: number, most: number): boolean => point >= least && point <= most;
  return (
    isControl(point) || (isWhiteSpace(point) && point !== 0x20) || (point & 0xfffe) === 0xfffe || single.includes(point) ||
    within(0x200b, 0x200f) || within(0x2028, 0x202e) || within(0x2060, 0x206f) || within(0xe000, 0xf8ff) || within(0xfdd0, 0xfdef) ||
    within(0xfe00, 0xfe0f) || within(0xfff9, 0xfffb) || within(0xe0000, 0xe0fff) || within(0xf0000, 0x10ffff)
  );
}

/** Shown text of at most so many characters. Source: docs/spec/identity.md §1. */
export function isShownText(text: string, most: number): boolean {
  const all = points(text);
  if (all.length > most || byteLength(text) > 4 * most || isBlank(text)) return false;
  return !text.startsWith(" ") && !text.endsWith(" ") && !text.includes("  ") && !all.some(isDeceptive);
}
