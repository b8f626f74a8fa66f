// The primitives of the page: WebCrypto where it can do it by itself, @noble where the checks must not wait or WebCrypto is not strict.

import { ed25519 } from "@noble/curves/ed25519";
import { hmac } from "@noble/hashes/hmac";
import { sha1 } from "@noble/hashes/legacy";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2";

import { concat, equal, Refusal } from "./core/bytes.js";
import { inside, integer, single, TAG } from "./core/der.js";
import type { HashName, Primitives, SignatureScheme } from "./core/primitives.js";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** RFC 8032 §5.1.7 without cofactor: S is canonical, and the encoding of [S]B − [k]A is R. */
export function verifyEd25519(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  const [r, s] = [signature.subarray(0, 32), littleEndian(signature.subarray(32))];
  if (s >= ORDER) return false;
  const k = littleEndian(sha512(concat(r, key, message))) % ORDER;
  try {
    const minusA = Point.fromBytes(key, false).negate();
    const found = Point.BASE.multiplyUnsafe(s).add(minusA.multiplyUnsafe(k));
    return equal(found.toBytes(), r);
  } catch {
    // The key is no point of the curve.
    return false;
  }
}

/** WebCrypto takes the two numbers of an ECDSA signature side by side, not in DER. */
function rawSignature(der: Uint8Array, width: number): Uint8Array {
  const parts = inside(single(der, TAG.sequence, "a signature"));
  const numbers = [integer(parts.next()), integer(parts.next())].map((bytes) => {
    const digits = bytes[0] === 0 ? bytes.subarray(1) : bytes;
    if ((bytes[0] as number) >= 0x80 || digits.length > width) throw new Refusal("no signature");
    return concat(new Uint8Array(width - digits.length), digits);
  });
  parts.end("a signature");
  return concat(...numbers);
}

/** WebCrypto takes bytes that stand in a buffer of their own kind. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

async function verify(scheme: SignatureScheme, spki: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  const isRsa = scheme.kind === "rsa";
  const algorithm = isRsa ? { name: "RSASSA-PKCS1-v1_5", hash: scheme.hash } : { name: "ECDSA", namedCurve: scheme.curve, hash: scheme.hash };
  try {
    const key = await crypto.subtle.importKey("spki", own(spki), algorithm, false, ["verify"]);
    const raw = isRsa ? signature : rawSignature(signature, scheme.curve === "P-256" ? 32 : 48);
    return await crypto.subtle.verify(algorithm, key, own(raw), own(message));
  } catch {
    // A key or signature that WebCrypto does not take is none that holds.
    return false;
  }
}

const HASHES: Record<HashName | "SHA-1", (bytes: Uint8Array) => Uint8Array> = { "SHA-1": sha1, "SHA-256": sha256, "SHA-384": sha384, "SHA-512": sha512 };

export const webPrimitives: Primitives = {
  sha256(...parts) {
    const state = sha256.create();
    for (const part of parts) state.update(part);
    return state.digest();
  },
  digest: (name, bytes) => HASHES[name](bytes),
  hmacSha512: (key, ...parts) => hmac(sha512, key, concat(...parts)),
  ed25519: verifyEd25519,
  async openAesGcm(key, nonce, sealed) {
    const imported = await crypto.subtle.importKey("raw", own(key), "AES-GCM", false, ["decrypt"]);
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: own(nonce) }, imported, own(sealed)));
    } catch {
      return null;
    }
  },
  verify,
};
