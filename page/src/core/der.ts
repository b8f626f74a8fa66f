// A small reader of DER (X.690): definite, minimal lengths, low tag numbers, nothing left over.

import { Refusal, utf8 } from "./bytes.js";

export interface Element {
  tag: number;
  content: Uint8Array;
  /** The element with its tag and length. */
  whole: Uint8Array;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Reads elements one after another. */
export class DerReader {
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** The tag of the next element; -1 at the end. */
  get nextTag(): number {
    return this.bytes[this.at] ?? -1;
  }

  next(): Element {
    const start = this.at;
    const [tag, first] = [this.bytes[start], this.bytes[start + 1]];
    if (tag === undefined || first === undefined) throw new Refusal("DER that ends early");
    if ((tag & 0x1f) === 0x1f) throw new Refusal("DER with a high tag number");
    let [length, head] = [first, 2];
    if (first >= 0x80) {
      const width = first & 0x7f;
      if (width < 1 || width > 4) throw new Refusal("DER with a length that is indefinite or too long");
      length = 0;
      for (let place = 0; place < width; place++) length = length * 256 + (this.bytes[start + 2 + place] ?? Number.NaN);
      const least = width === 1 ? 0x80 : 256 ** (width - 1);
      if (!(length >= least)) throw new Refusal("DER with a length that is not minimal");
      head += width;
    }
    if (start + head + length > this.bytes.length) throw new Refusal("DER that ends early");
    this.at = start + head + length;
    return { tag, content: this.bytes.subarray(start + head, this.at), whole: this.bytes.subarray(start, this.at) };
  }

  /** The next element, which must have this tag. */
  expect(tag: number, what: string): Element {
    const element = this.next();
    if (element.tag !== tag) throw new Refusal(`${what} is not where DER has it`);
    return element;
  }

  /** The next element if it has this tag. */
  maybe(tag: number): Element | null {
    return this.nextTag === tag ? this.next() : null;
  }

  end(what: string): void {
    if (!this.isAtEnd) throw new Refusal(`${what} has something left over`);
  }

  rest(): Element[] {
    const all: Element[] = [];
    while (!this.isAtEnd) all.push(this.next());
    return all;
  }
}

/** Reads exactly one element of a tag. */
export function single(bytes: Uint8Array, tag: number, what: string): Element {
  const reader = new DerReader(bytes);
  const element = reader.expect(tag, what);
  reader.end(what);
  return element;
}

export function inside(element: Element): DerReader {
  return new DerReader(element.content);
}

/** The dotted text of an object identifier, each number in its shortest form. */
export function oid(element: Element): string {
  const bytes = element.content;
  if (element.tag !== TAG.oid || bytes.length === 0 || bytes.length > 39) throw new Refusal("no object identifier");
  const numbers: number[] = [];
  let [value, isFirst] = [0, true];
  for (const byte of bytes) {
    if (isFirst && byte === 0x80) throw new Refusal("an object identifier that is not minimal");
    value = value * 128 + (byte & 0x7f);
    if (value > 0xffffffff) throw new Refusal("an object identifier with a number that is too large");
    isFirst = byte < 0x80;
    if (isFirst) {
      numbers.push(value);
      value = 0;
    }
  }
  if (!isFirst) throw new Refusal("an object identifier that ends early");
  const joint = numbers.shift() as number;
  const root = Math.min(Math.floor(joint / 40), 2);
  return [root, joint - 40 * root, ...numbers].join(".");
}

/** The bytes of an INTEGER in its shortest form, two's complement. */
export function integer(element: Element): Uint8Array {
  const [first, second] = element.content;
  if (element.tag !== TAG.integer || first === undefined) throw new Refusal("no integer");
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new Refusal("an integer that is not minimal");
  }
  return element.content;
}

/** A small INTEGER that is not negative. */
export function smallInteger(element: Element): number {
  const bytes = integer(element);
  if ((bytes[0] as number) >= 0x80 || bytes.length > 5) throw new Refusal("an integer out of its range");
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

export function boolean(element: Element): boolean {
  const [value] = element.content;
  if (element.tag !== TAG.boolean || element.content.length !== 1 || (value !== 0 && value !== 0xff)) throw new Refusal("no boolean");
  return value === 0xff;
}

/** The bytes of a BIT STRING without unused bits. */
export function bitString(element: Element): Uint8Array {
  if (element.tag !== TAG.bitString || element.content[0] !== 0) throw new Refusal("no string of whole bytes");
  return element.content.subarray(1);
}

/** A time in milliseconds since 1970: UTCTime or GeneralizedTime in UTC. Only that of a stamp has a fraction, of which digits below a millisecond are cut off. */
export function time(element: Element, withFraction = false): number {
  const text = utf8(element.content) ?? "";
  const isUtc = element.tag === TAG.utcTime;
  if (!isUtc && element.tag !== TAG.generalizedTime) throw new Refusal("no time");
  const pattern = isUtc ? /^()(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)()Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/;
  const found = pattern.exec(text);
  if (!found || (found[8] && !withFraction)) throw new Refusal("a time that is not in the form of DER");
  const [century, two, month, day, hour, minute, second] = found.slice(1, 8).map(Number) as [number, number, number, number, number, number, number];
  const year = isUtc ? (two < 50 ? 2000 + two : 1900 + two) : century * 100 + two;
  const fraction = (found[8] ?? "").slice(1, 4).padEnd(3, "0");
  const millis = Date.UTC(year, month - 1, day, hour, minute, second, Number(fraction));
  const date = new Date(millis);
  const same = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!same || year < 1970 || hour > 23 || minute > 59 || second > 59) throw new Refusal("a time that the calendar does not have");
  return millis;
}
