// One time stamp (RFC 3161): its form, and whether it is genuine by pinned roots. Source: docs/spec/witnesses.md §3.

import { concat, equal, Refusal, toHex } from "./bytes.js";
import { DerReader, inside, integer, oid, single, smallInteger, TAG, time, type Element } from "./der.js";
import { primitives, type HashName } from "./primitives.js";
import {
  findPath, isPlain, isSignedBy, parseTsaCertificate, readAlgorithm, schemeOf, signerFault, type Algorithm, type TsaCertificate,
} from "./tsa-certificate.js";

const MAX_STAMP_BYTES = 64 * 1024;
const MAX_CERTIFICATES = 16;
const MAX_SERIAL_BYTES = 32;
const MAX_SECONDS = 2 ** 32 - 1;

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const TST_INFO = "1.2.840.113549.1.9.16.1.4";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";

const DIGESTS: Record<string, HashName> = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};

function digestOf(algorithm: Algorithm): HashName | null {
  return isPlain(algorithm) ? (DIGESTS[algorithm.oid] ?? null) : null;
}

/** What a stamp is worth: genuine, or nothing because no pinned root leads to it. One that fails is a `Refusal`. */
export type Worth = { genuine: { authority: string; serial: string; earliest: number; latest: number } } | { nothing: string };

interface Info {
  imprintAlgorithm: Algorithm;
  imprint: Uint8Array;
  serial: string;
  millis: number;
  accuracy: number;
}

interface Signer {
  names(certificate: TsaCertificate): boolean;
  digest: Algorithm;
  signed: Uint8Array;
  attributes: Map<string, Element>;
  algorithm: Algorithm;
  signature: Uint8Array;
}

interface Token {
  content: Uint8Array;
  info: Info;
  certificates: TsaCertificate[];
  signer: Signer;
}

/** Judges a stamp over some bytes by pinned roots; refuses if it fails. */
export async function judgeStamp(response: Uint8Array, stamped: Uint8Array, roots: TsaCertificate[]): Promise<Worth> {
  if (response.length > MAX_STAMP_BYTES) throw new Refusal(`the time stamp is over the limit of ${MAX_STAMP_BYTES} bytes`);
  const token = readResponse(response);
  const { info, signer } = token;
  const imprint = digestOf(info.imprintAlgorithm);
  if (imprint && !equal(primitives().digest(imprint, stamped), info.imprint)) {
    throw new Refusal("the time stamp is of other bytes than those of this checkpoint");
  }
  const unknown = { nothing: "the time stamp's certificate leads to no pinned root: it counts for nothing" };
  const certificate = token.certificates.find((one) => signer.names(one));
  if (!certificate) return unknown;
  const path = await findPath(certificate, token.certificates, roots, info.millis);
  if (path === "none") return unknown;
  if (!imprint) throw new Refusal("the time stamp uses a digest algorithm other than SHA-256, SHA-384 and SHA-512");
  await checkSignature(token, certificate);
  const fault = signerFault(certificate, info.millis) ?? (typeof path === "object" ? path.fault : null);
  if (fault) throw new Refusal(`a pinned authority's certificate is named in the time stamp, and ${fault}`);
  const [earliest, latest] = [info.millis - info.accuracy, info.millis + info.accuracy];
  if (earliest < 0 || latest > 253_402_300_799_999) throw new Refusal("the time stamp's accuracy is malformed");
  return { genuine: { authority: certificate.subjectText, serial: info.serial, earliest, latest } };
}

async function checkSignature({ content, signer }: Token, certificate: TsaCertificate): Promise<void> {
  const refusal = (fault: string): Refusal => new Refusal(`a pinned authority's certificate is named in the time stamp, and ${fault}`);
  const digest = digestOf(signer.digest);
  if (!digest) throw refusal("it uses a digest algorithm other than SHA-256, SHA-384 and SHA-512");
  const type = signer.attributes.get(CONTENT_TYPE);
  if (type?.tag !== TAG.oid || safely(() => oid(type)) !== TST_INFO) throw refusal("its signed attributes do not name the content as a time stamp");
  const message = signer.attributes.get(MESSAGE_DIGEST);
  if (message?.tag !== TAG.octetString || !equal(message.content, primitives().digest(digest, content))) {
    throw refusal("its signed digest is not that of its content");
  }
  const [first, second] = [signer.attributes.get(SIGNING_CERTIFICATE), signer.attributes.get(SIGNING_CERTIFICATE_V2)];
  const holds = (!first || namesCertificate(first, false, certificate)) && (!second || namesCertificate(second, true, certificate));
  if ((!first && !second) || !holds) throw refusal("its signed attributes do not name its signer's certificate");
  const scheme = schemeOf(signer.algorithm, digest);
  const verifies = scheme && certificate.key && (await isSignedBy(certificate.key, scheme, signer.signed, signer.signature));
  if (!verifies) throw refusal("its signature does not verify");
}

function safely<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Whether the first hash of a SigningCertificate (RFC 2634 §5.4) or SigningCertificateV2 (RFC 5035 §3) is that of the certificate. */
function namesCertificate(value: Element, isSecond: boolean, certificate: TsaCertificate): boolean {
  const names = safely(() => {
    const ids = inside(inside(single(value.whole, TAG.sequence, "the signing certificate")).expect(TAG.sequence, "the signing certificate"));
    const id = inside(ids.expect(TAG.sequence, "the signing certificate"));
    const algorithm = isSecond ? id.maybe(TAG.sequence) : null;
    const hash = isSecond ? (algorithm ? digestOf(readAlgorithm(algorithm)) : "SHA-256") : "SHA-1";
    return hash !== null && equal(id.expect(TAG.octetString, "the signing certificate").content, primitives().digest(hash, certificate.der));
  });
  return names ?? false;
}

/** `TimeStampResp`. Source: RFC 3161 §2.4.2. */
function readResponse(response: Uint8Array): Token {
  const parts = inside(single(response, TAG.sequence, "the answer"));
  const status = integer(inside(parts.expect(TAG.sequence, "the answer's status")).next());
  if (status.length !== 1 || (status[0] as number) > 1) throw new Refusal("the authority did not grant the time stamp");
  const token = parts.expect(TAG.sequence, "the token");
  parts.end("the answer");
  return readToken(token);
}

/** `ContentInfo` around `SignedData`. Source: RFC 5652 §3, §5.1. */
function readToken(token: Element): Token {
  const outer = inside(token);
  if (oid(outer.next()) !== SIGNED_DATA) throw new Refusal("the token is not signed data");
  const parts = inside(single(outer.expect(0xa0, "the token").content, TAG.sequence, "the token"));
  outer.end("the token");
  if (toHex(integer(parts.next())) !== "03") throw new Refusal("the token's version is not 3");
  parts.expect(TAG.set, "the token");
  const encapsulated = inside(parts.expect(TAG.sequence, "the token"));
  if (oid(encapsulated.next()) !== TST_INFO) throw new Refusal("the token's content is not a time stamp");
  const content = single(encapsulated.expect(0xa0, "the token's content").content, TAG.octetString, "the token's content").content;
  encapsulated.end("the token's content");
  const certificates = parts.maybe(0xa0);
  parts.maybe(0xa1);
  const signers = inside(parts.expect(TAG.set, "the token's signer"));
  parts.end("the token");
  const signer = signers.expect(TAG.sequence, "the token's signer");
  signers.end("the token's signer");
  return { content, info: readInfo(content), certificates: certificates ? readCertificates(certificates) : [], signer: readSigner(signer) };
}

/** Those that can be read: others may have forms that do not concern us. */
function readCertificates(set: Element): TsaCertificate[] {
  const all = inside(set).rest();
  if (all.length > MAX_CERTIFICATES) throw new Refusal("the token has more than 16 certificates");
  return all.flatMap((element) => {
    const read = element.tag === TAG.sequence ? safely(() => parseTsaCertificate(element.whole)) : null;
    return read ? [read] : [];
  });
}

/** `TSTInfo`. Source: RFC 3161 §2.4.2. */
function readInfo(der: Uint8Array): Info {
  const what = "the time stamp's content";
  const parts = inside(single(der, TAG.sequence, what));
  if (toHex(integer(parts.next())) !== "01") throw new Refusal(`${what} is not of version 1`);
  oid(parts.next());
  const imprint = inside(parts.expect(TAG.sequence, what));
  const imprintAlgorithm = readAlgorithm(imprint.next());
  const digest = imprint.expect(TAG.octetString, what).content;
  imprint.end(what);
  const serial = integer(parts.next());
  if (serial.length > MAX_SERIAL_BYTES) throw new Refusal("the time stamp's number is too long");
  const moment = parts.expect(TAG.generalizedTime, what);
  const millis = time(moment, true);
  const accuracy = parts.maybe(TAG.sequence);
  parts.maybe(TAG.boolean);
  parts.maybe(TAG.integer);
  parts.maybe(0xa0);
  const extensions = parts.maybe(0xa1);
  if (extensions) refuseCritical(extensions, what);
  parts.end(what);
  return { imprintAlgorithm, imprint: digest, serial: toHex(serial), millis, accuracy: accuracy ? readAccuracy(accuracy) : 0 };
}

/** Milliseconds, rounded up. */
function readAccuracy(element: Element): number {
  const parts = inside(element);
  const number = (tag: number, most: number): number => {
    const found = parts.maybe(tag);
    if (!found) return 0;
    if (found.content.length > 4) throw new Refusal("the time stamp's accuracy is malformed");
    const value = smallInteger({ ...found, tag: TAG.integer });
    if (value > most) throw new Refusal("the time stamp's accuracy is malformed");
    return value;
  };
  const [seconds, millis, micros] = [number(TAG.integer, MAX_SECONDS), number(0x80, 999), number(0x81, 999)];
  parts.end("the time stamp's accuracy");
  return seconds * 1000 + millis + Math.ceil(micros / 1000);
}

/** No extension of the content may be critical: none is known here. */
function refuseCritical(extensions: Element, what: string): void {
  for (const extension of inside(extensions).rest()) {
    const parts = inside(single(extension.whole, TAG.sequence, what));
    oid(parts.next());
    const critical = parts.maybe(TAG.boolean);
    if (critical && toHex(critical.content) !== "00") throw new Refusal("the time stamp's content has a critical extension");
  }
}

/** `SignerInfo`. Source: RFC 5652 §5.3. */
function readSigner(element: Element): Signer {
  const what = "the token's signer";
  const parts = inside(element);
  const names = readSignerId(toHex(integer(parts.next())), parts, what);
  const digest = readAlgorithm(parts.next());
  const set = parts.expect(0xa0, what);
  const attributes = readAttributes(set);
  const algorithm = readAlgorithm(parts.next());
  const signature = parts.expect(TAG.octetString, what).content;
  parts.maybe(0xa1);
  parts.end(what);
  // RFC 5652 §5.4: the tag of a SET takes the place of [0].
  const signed = concat(Uint8Array.of(TAG.set), set.whole.subarray(1));
  return { names, digest, signed, attributes, algorithm, signature };
}

function readSignerId(version: string, parts: DerReader, what: string): Signer["names"] {
  if (version === "03") {
    const id = toHex(parts.expect(0x80, what).content);
    return (certificate) => certificate.keyId === id;
  }
  if (version !== "01") throw new Refusal(`${what} is of another version`);
  const id = inside(parts.expect(TAG.sequence, what));
  const [issuer, serial] = [id.expect(TAG.sequence, what).whole, toHex(integer(id.next()))];
  id.end(what);
  return (certificate) => equal(certificate.issuer, issuer) && certificate.serial === serial;
}

/** The attributes by kind; each has one value, and stands once, in the order of DER. */
function readAttributes(set: Element): Map<string, Element> {
  const what = "the token's signed attributes";
  const found = new Map<string, Element>();
  let before = "";
  for (const element of inside(set).rest()) {
    const parts = inside(single(element.whole, TAG.sequence, what));
    const kind = oid(parts.next());
    const values = inside(parts.expect(TAG.set, what));
    parts.end(what);
    const value = values.next();
    values.end(what);
    const whole = toHex(element.whole);
    if (whole <= before || found.has(kind)) throw new Refusal(`${what} are not in the order of DER`);
    before = whole;
    found.set(kind, value);
  }
  if (found.size === 0) throw new Refusal(`${what} are missing`);
  return found;
}
