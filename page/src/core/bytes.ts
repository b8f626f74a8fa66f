// Bytes and texts: strict decoders, each with one text for one value. Source: docs/spec/README.md, Conventions.

/** What was read does not have its form; the message says what is wrong. It is about the input, never about this program. */
export class Refusal extends Error {}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text of UTF-8 bytes, or null if they are none. */
export function utf8(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

export function toUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How many bytes a text has in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Reads lower-case hexadecimal digits, or gives null. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Whether a text is a digest: 64 lower-case hexadecimal digits. */
export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function table(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let at = 0; at < 64; at++) values[alphabet.charCodeAt(at)] = at;
  return values;
}
const STANDARD_VALUES = table(STANDARD);
const URL_VALUES = table(URL_SAFE);

function decode64(text: string, length: number, values: Int8Array): Uint8Array | null {
  if (length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let [held, bits, at] = [0, 0, 0];
  for (let place = 0; place < length; place++) {
    const code = text.charCodeAt(place);
    const value = code < 128 ? (values[code] as number) : -1;
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  // The bits that are left over are zero, so that one value has one text.
  return (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

/** Reads padded standard Base64 with zero trailing bits (RFC 4648 §4), or gives null. */
export function fromBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return decode64(text, text.length - padding, STANDARD_VALUES);
}

/** Reads unpadded base64url with zero trailing bits (RFC 4648 §5), or gives null. */
export function fromBase64Url(text: string): Uint8Array | null {
  return decode64(text, text.length, URL_VALUES);
}

/** Writes padded standard Base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b, c] = [bytes[at] as number, bytes[at + 1], bytes[at + 2]];
    const word = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    text += STANDARD.charAt(word >> 18) + STANDARD.charAt((word >> 12) & 63);
    text += b === undefined ? "=" : STANDARD.charAt((word >> 6) & 63);
    text += c === undefined ? "=" : STANDARD.charAt(word & 63);
  }
  return text;
}

/** A number of 8 bytes, big-endian. */
export function u64(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** Reads fields of fixed width, big-endian, from the front of bytes; gives null where they end early. */
export class Reader {
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(length: number): Uint8Array | null {
    if (length > this.left) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  number(width: number): bigint | null {
    const bytes = this.take(width);
    return bytes && bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  small(width: 1 | 2 | 4): number | null {
    const value = this.number(width);
    return value === null ? null : Number(value);
  }
}

/** Reads an ASCII decimal of 64 bits without sign, spaces or leading zeros, or gives null. */
export function decimal(text: string): bigint | null {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) return null;
  const value = BigInt(text);
  return value < 1n << 64n ? value : null;
}

/** Unicode's White_Space, which is not the `\s` of ECMAScript. */
export function isWhiteSpace(point: number): boolean {
  return (
    (point >= 9 && point <= 13) || point === 0x20 || point === 0x85 || point === 0xa0 || point === 0x1680 ||
    (point >= 0x2000 && point <= 0x200a) || point === 0x2028 || point === 0x2029 || point === 0x202f || point === 0x205f || point === 0x3000
  );
}

/** Unicode's general category Cc. */
export function isControl(point: number): boolean {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

/** The code points of a text. */
export function points(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) as number);
}

/** Whether a text has nothing but Unicode white space. */
export function isBlank(text: string): boolean {
  return points(text).every(isWhiteSpace);
}

/** Compares texts by their UTF-8 bytes, which is the order of their code points. */
export function byBytes(a: string, b: string): number {
  const [left, right] = [toUtf8(a), toUtf8(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    if (left[at] !== right[at]) return (left[at] as number) - (right[at] as number);
  }
  return left.length - right.length;
}

/** The lines of a text file, each of which ends with a line feed; null if it is not UTF-8 or its last line does not end. A long file is never one text. */
export function textLines(bytes: Uint8Array): Iterable<string> | null {
  if (bytes.length > 0 && bytes[bytes.length - 1] !== 10) return null;
  const lines = function* (): Generator<string | null> {
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(10, start);
      yield utf8(bytes.subarray(start, end));
      start = end + 1;
    }
  };
  for (const line of lines()) if (line === null) return null;
  return { [Symbol.iterator]: lines as () => Generator<string> };
}
