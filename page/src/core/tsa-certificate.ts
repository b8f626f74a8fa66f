// Certificates of time-stamping authorities (RFC 5280), and the path from the one that signed to a pinned root. Source: docs/spec/witnesses.md §3.

import { concat, equal, fromBase64, Refusal, toHex, utf8 } from "./bytes.js";
import { boolean, inside, integer, oid, single, smallInteger, TAG, time, type Element } from "./der.js";
import { isUsableKey } from "./ed25519.js";
import { primitives, type HashName, type SignatureScheme } from "./primitives.js";

const MAX_INTERMEDIATES = 4;
const MAX_ROOTS = 256;
const MAX_ROOTS_BYTES = 1024 * 1024;

const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const RSA = "1.2.840.113549.1.1.1";
const EC = "1.2.840.10045.2.1";
const ED25519 = "1.3.101.112";
const CURVES: Record<string, "P-256" | "P-384"> = { "1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384" };
const RSA_HASHES: Record<string, HashName> = {
  "1.2.840.113549.1.1.11": "SHA-256",
  "1.2.840.113549.1.1.12": "SHA-384",
  "1.2.840.113549.1.1.13": "SHA-512",
};
const ECDSA_HASHES: Record<string, HashName> = {
  "1.2.840.10045.4.3.2": "SHA-256",
  "1.2.840.10045.4.3.3": "SHA-384",
  "1.2.840.10045.4.3.4": "SHA-512",
};

/** An algorithm and its parameters. */
export interface Algorithm {
  oid: string;
  parameters: Element | null;
}

export function readAlgorithm(element: Element): Algorithm {
  if (element.tag !== TAG.sequence) throw new Refusal("no algorithm");
  const parts = inside(element);
  const kind = oid(parts.next());
  const parameters = parts.isAtEnd ? null : parts.next();
  parts.end("an algorithm");
  return { oid: kind, parameters };
}

/** Whether its parameters are absent or NULL: RFC 5754 §2 has readers take both. */
export function isPlain({ parameters }: Algorithm): boolean {
  return parameters === null || toHex(parameters.whole) === "0500";
}

/** How a signature was made, as far as that is said apart from the key; null if in another way. */
export type Scheme = { kind: "rsa" | "ecdsa"; hash: HashName } | { kind: "ed25519" };

/** `digest` is what the signer digests by, for an algorithm that does not say. */
export function schemeOf(algorithm: Algorithm, digest: HashName | null): Scheme | null {
  const isBare = algorithm.parameters === null;
  const rsa = RSA_HASHES[algorithm.oid] ?? (algorithm.oid === RSA ? digest : null);
  if (rsa) return isPlain(algorithm) ? { kind: "rsa", hash: rsa } : null;
  const ecdsa = ECDSA_HASHES[algorithm.oid];
  if (ecdsa) return isBare ? { kind: "ecdsa", hash: ecdsa } : null;
  return algorithm.oid === ED25519 && isBare ? { kind: "ed25519" } : null;
}

interface PublicKey {
  kind: "rsa" | "P-256" | "P-384" | "ed25519";
  /** The key's own bytes. */
  key: Uint8Array;
  /** The SubjectPublicKeyInfo, with the parameters that every library takes. */
  spki: Uint8Array;
}

export interface TsaCertificate {
  der: Uint8Array;
  serial: string;
  issuer: Uint8Array;
  subject: Uint8Array;
  subjectText: string;
  keyId: string | null;
  /** Null if the key is of a kind that is not accepted. */
  key: PublicKey | null;
  notBefore: number;
  notAfter: number;
  /** The longest path below it if it is an authority; null if it is none. */
  pathLength: number | null;
  /** The first byte of its key usage; null if it names none. */
  keyUsage: number | null;
  isForStampsAlone: boolean;
  hasUnknownCritical: boolean;
  signed: Uint8Array;
  scheme: Scheme | null;
  signature: Uint8Array;
}

function wholeBytes(element: Element): Uint8Array {
  if (element.tag !== TAG.bitString || element.content[0] !== 0) throw new Refusal("no string of whole bytes");
  return element.content.subarray(1);
}

/** Reads a certificate; what it says of itself is not judged. */
export function parseTsaCertificate(der: Uint8Array): TsaCertificate {
  const outer = inside(single(der, TAG.sequence, "a certificate"));
  const body = outer.expect(TAG.sequence, "a certificate");
  const outerAlgorithm = readAlgorithm(outer.next());
  const signature = wholeBytes(outer.next());
  outer.end("a certificate");
  const parts = inside(body);
  parts.maybe(0xa0);
  const serial = toHex(integer(parts.next()));
  const algorithm = readAlgorithm(parts.next());
  const issuer = parts.expect(TAG.sequence, "an issuer").whole;
  const validity = inside(parts.expect(TAG.sequence, "a validity"));
  const [notBefore, notAfter] = [time(validity.next()), time(validity.next())];
  validity.end("a validity");
  const subject = parts.expect(TAG.sequence, "a subject");
  const key = readKey(parts.expect(TAG.sequence, "a key"));
  parts.maybe(0x81);
  parts.maybe(0x82);
  const extensions = parts.maybe(0xa3);
  parts.end("a certificate");
  const [inner, other] = [schemeOf(algorithm, null), schemeOf(outerAlgorithm, null)];
  const certificate: TsaCertificate = {
    der,
    serial,
    issuer,
    subject: subject.whole,
    subjectText: nameText(subject),
    keyId: null,
    key,
    notBefore,
    notAfter,
    pathLength: null,
    keyUsage: null,
    isForStampsAlone: false,
    hasUnknownCritical: false,
    signed: body.whole,
    scheme: JSON.stringify(inner) === JSON.stringify(other) ? inner : null,
    signature,
  };
  if (extensions) readExtensions(certificate, extensions);
  return certificate;
}

function readKey(element: Element): PublicKey | null {
  const parts = inside(element);
  const algorithm = readAlgorithm(parts.next());
  const key = wholeBytes(parts.next());
  parts.end("a key");
  // An RSA key without parameters means the same as one with NULL, and not every library takes it.
  const spki = algorithm.oid === RSA ? rsaInfo(key) : element.whole;
  switch (algorithm.oid) {
    case RSA: {
      const bits = isPlain(algorithm) ? modulusBits(key) : 0;
      return bits >= 2048 && bits <= 4096 ? { kind: "rsa", key, spki } : null;
    }
    case EC: {
      const curve = algorithm.parameters?.tag === TAG.oid ? CURVES[oid(algorithm.parameters)] : undefined;
      return curve && key[0] === 4 ? { kind: curve, key, spki } : null;
    }
    case ED25519:
      return algorithm.parameters === null ? { kind: "ed25519", key, spki } : null;
    default:
      return null;
  }
}

const RSA_ALGORITHM = Uint8Array.of(0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0);

function rsaInfo(key: Uint8Array): Uint8Array {
  const bits = concat(Uint8Array.of(TAG.bitString), lengthOf(key.length + 1), Uint8Array.of(0), key);
  return concat(Uint8Array.of(TAG.sequence), lengthOf(RSA_ALGORITHM.length + bits.length), RSA_ALGORITHM, bits);
}

function lengthOf(length: number): Uint8Array {
  return length < 0x80 ? Uint8Array.of(length) : length < 0x100 ? Uint8Array.of(0x81, length) : Uint8Array.of(0x82, length >> 8, length & 0xff);
}

/** Bits of the modulus of an RSAPublicKey. Source: RFC 8017 A.1.1. */
function modulusBits(key: Uint8Array): number {
  const parts = inside(single(key, TAG.sequence, "an RSA key"));
  const modulus = integer(parts.next());
  integer(parts.next());
  parts.end("an RSA key");
  const digits = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  return digits.length * 8 - (digits.length > 0 ? Math.clz32(digits[0] as number) - 24 : 0);
}

function readExtensions(certificate: TsaCertificate, list: Element): void {
  const seen = new Set<string>();
  for (const one of inside(single(list.content, TAG.sequence, "extensions")).rest()) {
    if (one.tag !== TAG.sequence) throw new Refusal("no extension");
    const parts = inside(one);
    const kind = oid(parts.next());
    const flag = parts.maybe(TAG.boolean);
    const critical = flag !== null && boolean(flag);
    const value = parts.expect(TAG.octetString, "an extension").content;
    parts.end("an extension");
    if (seen.has(kind)) throw new Refusal("an extension that occurs twice");
    seen.add(kind);
    readExtension(certificate, kind, critical, value);
  }
}

function readExtension(certificate: TsaCertificate, kind: string, critical: boolean, value: Uint8Array): void {
  switch (kind) {
    case "2.5.29.19": {
      const parts = inside(single(value, TAG.sequence, "basic constraints"));
      const flag = parts.maybe(TAG.boolean);
      const isAuthority = flag !== null && boolean(flag);
      const most = parts.isAtEnd ? Number.POSITIVE_INFINITY : smallInteger(parts.next());
      parts.end("basic constraints");
      certificate.pathLength = isAuthority ? most : null;
      break;
    }
    case "2.5.29.15": {
      const usage = single(value, TAG.bitString, "key usage").content;
      if (usage.length < 1 || (usage[0] as number) > 7) throw new Refusal("no key usage");
      certificate.keyUsage = usage[1] ?? 0;
      break;
    }
    case "2.5.29.37": {
      const purposes = inside(single(value, TAG.sequence, "extended key usage")).rest().map(oid);
      certificate.isForStampsAlone = critical && purposes.length === 1 && purposes[0] === TIME_STAMPING;
      break;
    }
    case "2.5.29.14":
      certificate.keyId = toHex(single(value, TAG.octetString, "a key identifier").content);
      break;
    case "2.5.29.32":
      break;
    default:
      certificate.hasUnknownCritical ||= critical;
  }
}

const NAMES: Record<string, string> = {
  "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
};

/** A name as RFC 4514 writes it, the last part first; for people. */
function nameText(name: Element): string {
  try {
    const parts = inside(name)
      .rest()
      .map((relative) =>
        inside(relative)
          .rest()
          .map((attribute) => {
            const fields = inside(attribute);
            const kind = oid(fields.next());
            const value = fields.next();
            const text = utf8(value.content)?.replace(/[,+"\\<>;]/g, "\\$&");
            return `${NAMES[kind] ?? kind}=${text ?? `#${toHex(value.whole)}`}`;
          })
          .join("+"),
      );
    return parts.reverse().join(",");
  } catch (error) {
    if (error instanceof Refusal) return "an authority without a readable name";
    throw error;
  }
}

/** Certificates in PEM (RFC 7468); text outside their blocks is passed over. */
export function parsePem(text: string): Uint8Array[] {
  if (text.length > MAX_ROOTS_BYTES) throw new Refusal(`the text of roots is over the limit of ${MAX_ROOTS_BYTES} bytes`);
  const found: Uint8Array[] = [];
  let block: string | null = null;
  for (const line of text.split("\n").map((one) => one.replace(/^[ \t\r\f]+|[ \t\r\f]+$/g, ""))) {
    if (block === null) {
      if (line === "-----BEGIN CERTIFICATE-----") block = "";
    } else if (line === "-----END CERTIFICATE-----") {
      const der = fromBase64(block);
      if (!der) throw new Refusal("a root in PEM is malformed");
      found.push(der);
      block = null;
    } else {
      block += line;
    }
  }
  if (block !== null || found.length > MAX_ROOTS) throw new Refusal("a root in PEM does not end, or there are more than 256 roots");
  return found;
}

/** Whether a key made a signature over a message, in that way. */
export async function isSignedBy(key: PublicKey, scheme: Scheme, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (scheme.kind === "ed25519") {
    return key.kind === "ed25519" && signature.length === 64 && isUsableKey(key.key) && primitives().ed25519(signature, message, key.key);
  }
  if (scheme.kind === "rsa" ? key.kind !== "rsa" : key.kind !== "P-256" && key.kind !== "P-384") return false;
  const how: SignatureScheme =
    scheme.kind === "rsa" ? { kind: "rsa", hash: scheme.hash } : { kind: "ecdsa", curve: key.kind as "P-256" | "P-384", hash: scheme.hash };
  return primitives().verify(how, key.spki, signature, message);
}

/** Whether a certificate is signed by the key of another, which has the name of its issuer. */
async function isIssuedBy(below: TsaCertificate, above: TsaCertificate): Promise<boolean> {
  if (!equal(below.issuer, above.subject) || !above.key || !below.scheme) return false;
  return isSignedBy(above.key, below.scheme, below.signed, below.signature);
}

/** What keeps a certificate from being that of a stamp's signer at a moment; null if nothing does. */
export function signerFault(certificate: TsaCertificate, millis: number): string | null {
  if (!certificate.isForStampsAlone) return "its signer's certificate is not for time stamps alone (critical extended key usage)";
  // digitalSignature or nonRepudiation.
  if (certificate.keyUsage !== null && (certificate.keyUsage & 0xc0) === 0) return "its signer's certificate is not for signatures (key usage)";
  if (!isValidAt(certificate, millis)) return "a certificate of its path was not valid at the time of the stamp";
  return certificate.hasUnknownCritical ? UNKNOWN_CRITICAL : null;
}

const UNKNOWN_CRITICAL = "a certificate of its path has a critical extension that is not known here";

function isValidAt(certificate: TsaCertificate, millis: number): boolean {
  const second = Math.floor(millis / 1000) * 1000;
  return certificate.notBefore <= second && second <= certificate.notAfter;
}

/** What keeps a certificate from standing above a signer at a moment, with that many intermediates between them. */
function authorityFault(certificate: TsaCertificate, millis: number, between: number): string | null {
  const reaches = certificate.pathLength !== null && between <= certificate.pathLength;
  // keyCertSign.
  if (!reaches || (certificate.keyUsage !== null && (certificate.keyUsage & 0x04) === 0)) {
    return "a certificate above its signer's is not that of a certification authority, or not for so many below it";
  }
  return isValidAt(certificate, millis) ? null : "a certificate of its path was not valid at the time of the stamp";
}

export type Path = "good" | "none" | { fault: string };

/** Looks for a path from a signer's certificate by at most four others of the token to a pinned root. */
export async function findPath(signer: TsaCertificate, others: TsaCertificate[], roots: TsaCertificate[], millis: number): Promise<Path> {
  const issued = new Map<TsaCertificate, Map<TsaCertificate, boolean>>();
  for (const below of [signer, ...others]) {
    const above = new Map<TsaCertificate, boolean>();
    for (const one of [...others, ...roots]) above.set(one, await isIssuedBy(below, one));
    issued.set(below, above);
  }
  let fault: string | null = null;
  const reaches = (faultOf: (certificate: TsaCertificate, between: number, isRoot: boolean) => string | null): boolean => {
    let here = [signer];
    for (let between = 0; between <= MAX_INTERMEDIATES; between++) {
      const isAbove = (one: TsaCertificate): boolean => here.some((below) => issued.get(below)?.get(one));
      for (const root of roots.filter(isAbove)) {
        const found = faultOf(root, between, true);
        if (found === null) return true;
        fault ??= found;
      }
      here = others.filter(isAbove).filter((one) => {
        const found = faultOf(one, between, false);
        fault ??= found;
        return found === null;
      });
    }
    return false;
  };
  if (!reaches(() => null)) return "none";
  const good = reaches((one, between, isRoot) => authorityFault(one, millis, between) ?? (one.hasUnknownCritical && !isRoot ? UNKNOWN_CRITICAL : null));
  return good ? "good" : { fault: fault ?? "no path to a root keeps to the rules" };
}
