// Ed25519 by the strict rule: canonical S and A, no small-order A or R, cofactorless. Source: docs/spec/README.md, Conventions; RFC 8032 §5.1.7.

import { toHex } from "./bytes.js";
import { primitives } from "./primitives.js";

/** The encodings of the eight points of small order that are canonical. Others are refused for their form. */
const SMALL_ORDER = new Set([
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]);

const P = (1n << 255n) - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

function power(base: bigint, exponent: bigint): bigint {
  let [result, square, left] = [1n, base % P, exponent];
  while (left > 0n) {
    if (left & 1n) result = (result * square) % P;
    square = (square * square) % P;
    left >>= 1n;
  }
  return result;
}

const known = new Map<string, boolean>();

/** Whether 32 bytes are the one encoding of a point of the curve that is not of small order. */
export function isUsableKey(key: Uint8Array): boolean {
  if (key.length !== 32) return false;
  const text = toHex(key);
  const before = known.get(text);
  if (before !== undefined) return before;
  const usable = !SMALL_ORDER.has(text) && isCanonicalPoint(key);
  if (known.size > 10_000) known.clear();
  known.set(text, usable);
  return usable;
}

function isCanonicalPoint(bytes: Uint8Array): boolean {
  const sign = (bytes[31] as number) >> 7;
  const little = toHex(Uint8Array.from(bytes, (byte, at) => (at === 31 ? byte & 0x7f : byte)).reverse());
  const y = BigInt(`0x${little}`);
  if (y >= P) return false;
  // x² = (y² − 1) / (d y² + 1) must be a square; x = 0 has no sign.
  const u = (y * y - 1n + P) % P;
  const v = (D * y * y + 1n) % P;
  const square = (u * power(v, P - 2n)) % P;
  if (square === 0n) return sign === 0;
  return power(square, (P - 1n) / 2n) === 1n;
}

/** Checks a signature of 64 bytes under a key that `isUsableKey` accepts. */
export function verifyEd25519(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  if (signature.length !== 64 || !isUsableKey(key)) return false;
  // R is compared as the bytes of a computed point, so that only canonical encodings can agree.
  if (SMALL_ORDER.has(toHex(signature.subarray(0, 32)))) return false;
  return primitives().ed25519(signature, message, key);
}
