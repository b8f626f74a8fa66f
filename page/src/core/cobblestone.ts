// Cobblestone-256 messages and the sealed reason of an intent. Source: C2SP chunked-encryption; docs/spec/exhibit.md §1, §5.

import { byteLength, concat, equal, fromHex, isBlank, isControl, points, Refusal, toUtf8 } from "./bytes.js";
import { object, optional, readStrict, text } from "./json.js";
import { primitives, sha256 } from "./primitives.js";

const HEADER_BYTES = 56;
const SALT_BYTES = 24;
const KEY_BYTES = 32;
const CHUNK_BYTES = 16 * 1024;
const TAG_BYTES = 16;
const MAX_REASON_BYTES = 16 * 1024;
const REASON_STEP = 256;

const INFO = toUtf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
const REASON_LABEL = toUtf8("custodia/reason/v1");

/** How many bytes a message of so many bytes seals; null for a length that no message has. */
function plaintextLength(length: number): number | null {
  if (length < HEADER_BYTES + TAG_BYTES) return null;
  const body = length - HEADER_BYTES;
  const rest = body % (CHUNK_BYTES + TAG_BYTES);
  return rest < TAG_BYTES ? null : Math.floor(body / (CHUNK_BYTES + TAG_BYTES)) * CHUNK_BYTES + rest - TAG_BYTES;
}

/** Whether a sealed reason can have so many bytes. */
export function isSealedTextLength(length: number): boolean {
  const plain = plaintextLength(length);
  return plain !== null && plain > 0 && plain <= MAX_REASON_BYTES && plain % REASON_STEP === 0;
}

/** Opens a whole message; the commitment is compared before any chunk is opened. */
export async function openMessage(key: Uint8Array, context: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  if (key.length !== KEY_BYTES) throw new Refusal("the key has not 32 bytes");
  if (plaintextLength(message.length) === null) throw new Refusal("the sealed message is malformed: no message has this length");
  const salt = message.subarray(0, SALT_BYTES);
  // HKDF-Expand (RFC 5869 §2.3) for 76 bytes, which are two blocks of SHA-512.
  const first = primitives().hmacSha512(key, INFO, salt, context, Uint8Array.of(1));
  const second = primitives().hmacSha512(key, first, INFO, salt, context, Uint8Array.of(2));
  const derived = concat(first, second);
  if (!equal(derived.subarray(44, 76), message.subarray(SALT_BYTES, HEADER_BYTES))) {
    throw new Refusal("the sealed message was not sealed with this key for this place");
  }
  const opened: Uint8Array[] = [];
  let chunk = 0;
  for (let at = HEADER_BYTES; at < message.length; at += CHUNK_BYTES + TAG_BYTES) {
    const nonce = derived.slice(32, 44);
    new DataView(nonce.buffer).setBigUint64(4, new DataView(nonce.buffer).getBigUint64(4) ^ BigInt(chunk));
    const plain = await primitives().openAesGcm(derived.slice(0, 32), nonce, message.slice(at, at + CHUNK_BYTES + TAG_BYTES));
    if (!plain) throw new Refusal(`chunk ${chunk} of the sealed message was altered after sealing`);
    opened.push(plain);
    chunk++;
  }
  return concat(...opened);
}

/** A text without control characters (but those that `allowed` names), not blank, of at most so many bytes. */
export function isProse(value: string, most: number, allowed = ""): boolean {
  const plain = (point: number): boolean => !isControl(point) || allowed.includes(String.fromCodePoint(point));
  return byteLength(value) <= most && !isBlank(value) && points(value).every(plain);
}

export const line = (most: number) => text((value) => isProse(value, most), "a line is not blank, keeps its length limit and has no control characters");
export const prose = (most: number) =>
  text((value) => isProse(value, most, "\n\t"), "a text is not blank, keeps its length limit and has no control characters but line feed and tab");

const reasonCodec = object({
  reason: prose(8192),
  reference: optional(line(512)),
  case_title: optional(line(512)),
  exhibit_title: optional(line(512)),
});

/** What an actor stated with an act. */
export type StatedReason = ReturnType<typeof reasonCodec>;

/** Opens the sealed reason of one intent with its reason key. */
export async function openReason(origin: string, intent: string, key: Uint8Array, sealed: Uint8Array): Promise<StatedReason> {
  if (!isSealedTextLength(sealed.length)) {
    throw new Refusal("the sealed reason is malformed: its plaintext has 256 to 16384 bytes in steps of 256");
  }
  const context = concat(REASON_LABEL, sha256(toUtf8(origin)), fromHex(intent) as Uint8Array);
  const plain = await openMessage(key, context, sealed);
  const length = new DataView(plain.buffer, plain.byteOffset).getUint32(0);
  const padding = plain.subarray(4 + length);
  if (4 + length > plain.length || padding.length >= REASON_STEP || padding.some((byte) => byte !== 0)) {
    throw new Refusal("the sealed reason was sealed wrongly: the length names the JSON, then come fewest zeros up to a multiple of 256");
  }
  return readStrict(plain.subarray(4, 4 + length), reasonCodec);
}
