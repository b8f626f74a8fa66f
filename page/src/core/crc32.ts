// CRC-32 of ZIP (ISO 3309, polynomial EDB88320), eight bytes at a time.

const POLYNOMIAL = 0xedb88320;
const TABLES = Array.from({ length: 8 }, () => new Uint32Array(256));
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  T0[byte] = value;
}
for (let table = 1; table < 8; table++) {
  const [before, here] = [TABLES[table - 1] as Uint32Array, TABLES[table] as Uint32Array];
  for (let byte = 0; byte < 256; byte++) {
    const value = before[byte] as number;
    here[byte] = (value >>> 8) ^ (T0[value & 0xff] as number);
  }
}

/** Goes on from a CRC-32 of the bytes before; 0 for none. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before >>> 0;
  const whole = bytes.length - (bytes.length % 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < whole; at += 8) {
    const low = view.getUint32(at, true) ^ crc;
    const high = view.getUint32(at + 4, true);
    crc =
      (T7[low & 0xff] as number) ^ (T6[(low >>> 8) & 0xff] as number) ^ (T5[(low >>> 16) & 0xff] as number) ^ (T4[low >>> 24] as number) ^
      (T3[high & 0xff] as number) ^ (T2[(high >>> 8) & 0xff] as number) ^ (T1[(high >>> 16) & 0xff] as number) ^ (T0[high >>> 24] as number);
  }
  for (let at = whole; at < bytes.length; at++) crc = (crc >>> 8) ^ (T0[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** The product of two polynomials modulo that of the CRC; the lowest power is the highest bit. */
function product(a: number, b: number): number {
  let [sum, power] = [0, b];
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) sum ^= power;
    power = power & 1 ? (power >>> 1) ^ POLYNOMIAL : power >>> 1;
  }
  return sum >>> 0;
}

/** The CRC-32 of bytes, of the CRC-32 of their first part and that of their second, which is so long. */
export function joinCrc32(first: number, second: number, length: number): number {
  // Each byte that follows multiplies the first part's by x^8.
  let [sum, power] = [first, 0x00800000];
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) sum = product(sum, power);
    power = product(power, power);
  }
  return (sum ^ second) >>> 0;
}
