// Reads a dossier's ZIP so strictly that no two tools can see different files in it. Source: docs/spec/dossier.md; APPNOTE.TXT 6.3.
//
// Entries are stored and lie one after the other from the first byte to the central directory without gap or overlap, and each local header
// says of its entry what the directory says. Sizes and places are exact as numbers up to 2^53.

import { byteLength, equal, isControl, points, Refusal, utf8 } from "./bytes.js";
import { crc32 } from "./crc32.js";

/** A file that is read by parts. */
export interface Source {
  size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Where an entry's bytes lie in the file. */
export interface Extent {
  start: number;
  length: number;
  crc: number;
}

const ROOT = "dossier/";
const MAX_ENTRIES = 1_000_000;
const MAX_NAME_BYTES = 1024;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const UTF8_FLAG = 0x0800;
const NONE32 = 0xffffffff;
/** Headers stand far apart where files are long, entries of the directory close together. */
const HEADER_WINDOW_BYTES = 4 * 1024;
const DIRECTORY_WINDOW_BYTES = 256 * 1024;
const CENTRAL_SIGNATURE = 0x02014b50;

/** The file is not of the form of a dossier: check DOS-01. */
export class NotADossier extends Refusal {
  constructor(problem: string) {
    super(`the file is not a dossier: ${problem}`);
  }
}

/** Reads numbers, little-endian, from one part of the file. */
class Fields {
  private readonly view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): number {
    const value = this.view.getBigUint64(at, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new NotADossier("a size or place is larger than any file");
    return Number(value);
  }

  is(at: number, signature: number): boolean {
    return this.bytes.length >= at + 4 && this.u32(at) === signature;
  }
}

interface Directory {
  start: number;
  entries: number;
  /** Where it ends and the records of the end begin. */
  end: number;
}

interface Entry extends Extent {
  name: string;
  rawName: Uint8Array;
  flags: number;
  header: number;
}

/** A dossier whose entries are known; the bytes of none are checked yet. */
export class Archive {
  private constructor(
    readonly source: Source,
    /** By name within the dossier folder. */
    readonly entries: Map<string, Extent>,
  ) {}

  /** Reads the central directory and checks that entries, headers and names have the strict form. */
  static async open(source: Source): Promise<Archive> {
    const directory = await findDirectory(source);
    const found = await readDirectory(source, directory);
    const entries = new Map<string, Extent>();
    const headers = new WindowReader(source, HEADER_WINDOW_BYTES, directory.start);
    let expected = 0;
    for (const entry of found) {
      if (entry.header !== expected) throw new NotADossier(`the entry ${JSON.stringify(entry.name)} overlaps another or leaves a gap before it`);
      await readLocalHeader(headers, entry);
      expected = entry.start + entry.length;
      if (expected > directory.start) throw new NotADossier("it ends before an entry that its directory names");
      const inner = innerName(entry.name);
      if (entries.has(inner)) throw new NotADossier("two entries have one name");
      entries.set(inner, { start: entry.start, length: entry.length, crc: entry.crc });
    }
    for (const name of entries.keys()) {
      for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
        if (entries.has(name.slice(0, at))) throw new NotADossier(`the entry ${JSON.stringify(name)} lies in a folder that is an entry`);
      }
    }
    if (expected !== directory.start) throw new NotADossier("bytes that belong to no entry stand before the directory");
    return new Archive(source, entries);
  }

  names(): string[] {
    return [...this.entries.keys()];
  }

  /** Reads an entry of at most `limit` bytes into memory and checks its CRC-32; null if it is not there. */
  async read(name: string, limit: number): Promise<Uint8Array | null> {
    const extent = this.entries.get(name);
    if (!extent) return null;
    if (extent.length > limit) throw new NotADossier(`the entry ${JSON.stringify(name)} is larger than ${limit} bytes`);
    const bytes = await this.source.read(extent.start, extent.length);
    if (crc32(bytes) !== extent.crc) throw wrongCrc(name);
    return bytes;
  }
}

export function wrongCrc(name: string): NotADossier {
  return new NotADossier(`the entry ${JSON.stringify(name)} has another CRC-32 than its header says`);
}

/** Reads small parts that follow each other; asks the file for a window at a time. */
class WindowReader {
  private window: Uint8Array = new Uint8Array();
  private start = 0;

  constructor(
    private readonly source: Source,
    private readonly windowBytes: number,
    /** Nothing is read from here on. */
    private readonly end: number,
  ) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.end) throw new NotADossier("it ends before an entry that its directory names");
    if (offset < this.start || offset + length > this.start + this.window.length) {
      this.start = offset;
      this.window = await this.source.read(offset, Math.min(Math.max(length, this.windowBytes), this.end - offset));
    }
    return this.window.subarray(offset - this.start, offset - this.start + length);
  }
}

/** Reads the end record, which ends the file, and the records of ZIP64 before it, where there are any. */
async function findDirectory(source: Source): Promise<Directory> {
  const noEnd = new NotADossier("it does not end with the end record of a ZIP file, without comment and in one part");
  if (source.size < END_BYTES) throw noEnd;
  const tailStart = Math.max(0, source.size - END64_BYTES - LOCATOR_BYTES - END_BYTES);
  const tail = await source.read(tailStart, source.size - tailStart);
  const at = tail.length - END_BYTES;
  const end = new Fields(tail.subarray(at));
  if (!end.is(0, 0x06054b50) || end.u32(4) !== 0 || end.u16(8) !== end.u16(10) || end.u16(20) !== 0) throw noEnd;
  const short = [end.u16(10), end.u32(12), end.u32(16)];
  const most = [0xffff, NONE32, NONE32];
  let [entries, bytes, start] = short as [number, number, number];
  let records = tailStart + at;
  if (at >= LOCATOR_BYTES && new Fields(tail.subarray(at - LOCATOR_BYTES)).is(0, 0x07064b50)) {
    const noEnd64 = new NotADossier("its end record of ZIP64 does not say the same as its end record, of one part");
    if (at < END64_BYTES + LOCATOR_BYTES) throw noEnd64;
    const locator = new Fields(tail.subarray(at - LOCATOR_BYTES, at));
    const record = new Fields(tail.subarray(0, END64_BYTES));
    records = tailStart;
    const isPlaced = locator.u32(4) === 0 && locator.u64(8) === records && locator.u32(16) === 1 && record.is(0, 0x06064b50);
    [entries, bytes, start] = [record.u64(32), record.u64(40), record.u64(48)];
    const isSame = [entries, bytes, start].every((full, place) => short[place] === full || short[place] === most[place]);
    if (!isPlaced || !isSame || record.u64(4) !== 44 || record.u32(16) !== 0 || record.u32(20) !== 0 || record.u64(24) !== entries) throw noEnd64;
  }
  if (entries > MAX_ENTRIES) throw new NotADossier(`it has more than ${MAX_ENTRIES} entries`);
  if (start + bytes !== records) throw new NotADossier("its directory does not lie where its end says");
  return { start, entries, end: records };
}

/** Reads the directory's entries, which follow each other and fill it. */
async function readDirectory(source: Source, directory: Directory): Promise<Entry[]> {
  const reader = new WindowReader(source, DIRECTORY_WINDOW_BYTES, directory.end);
  const found: Entry[] = [];
  let at = directory.start;
  for (let number = 0; number < directory.entries; number++) {
    const head = new Fields((await reader.read(at, CENTRAL_BYTES)).slice());
    if (!head.is(0, CENTRAL_SIGNATURE)) throw new NotADossier("its directory is not one");
    const [name, extra] = [head.u16(28), head.u16(30)];
    const fields = await reader.read(at + CENTRAL_BYTES, name + extra);
    found.push(readCentral(head, fields.slice(0, name), fields.slice(name)));
    at += CENTRAL_BYTES + name + extra;
  }
  if (at !== directory.end) throw new NotADossier("its directory holds more than its end says");
  return found;
}

function readCentral(head: Fields, rawName: Uint8Array, extra: Uint8Array): Entry {
  const name = utf8(rawName);
  if (name === null) throw new NotADossier("the name of an entry is not UTF-8");
  const wrong = (problem: string): NotADossier => new NotADossier(`the entry ${JSON.stringify(name)} ${problem}`);
  const short = [head.u32(24), head.u32(20), head.u32(42)];
  const full = zip64(extra, short);
  if (full === null) throw wrong("has an extra field that it does not need");
  const [length, stored, header] = full as [number, number, number];
  const flags = head.u16(8);
  if (head.u16(10) !== 0 || (flags & ~UTF8_FLAG) !== 0 || length !== stored || short[0] !== short[1]) throw wrong("is compressed, encrypted or of unknown length");
  if (flags === 0 && rawName.some((byte) => byte > 0x7f)) throw wrong("does not say that its name is UTF-8");
  if (!isFile(head.u32(38))) throw wrong("is a link or a folder");
  if (head.u16(32) !== 0 || head.u16(34) !== 0) throw wrong("has a comment, or is said to lie on another disk");
  if (!name.startsWith(ROOT) || !isSafe(innerName(name))) throw wrong(`lies outside ${ROOT}`);
  return { name, rawName, flags, header, start: Number.NaN, length, crc: head.u32(16) };
}

/** Whether external attributes are those of a file: of Unix a regular one or none said, of DOS no folder and no label of a volume. */
function isFile(attributes: number): boolean {
  return [0, 8].includes(attributes >>> 28) && (attributes & 0x18) === 0;
}

/** The numbers of a header, those that do not fit into it from its extra field; null if that holds anything else, too few or too many. */
function zip64(extra: Uint8Array, short: number[]): number[] | null {
  const fields = new Fields(extra);
  const wanted = short.filter((number) => number === NONE32).length * 8;
  const isNeeded = wanted === 0 ? extra.length === 0 : extra.length === 4 + wanted && fields.u16(0) === 1 && fields.u16(2) === wanted;
  if (!isNeeded) return null;
  let at = 4;
  return short.map((number) => {
    if (number !== NONE32) return number;
    at += 8;
    return fields.u64(at - 8);
  });
}

/** Each local header says of its entry what the directory says; sets where the entry's bytes begin. */
async function readLocalHeader(headers: WindowReader, entry: Entry): Promise<void> {
  const shown = JSON.stringify(entry.name);
  const head = new Fields((await headers.read(entry.header, LOCAL_BYTES)).slice());
  const [nameBytes, extraBytes] = head.is(0, 0x04034b50) ? [head.u16(26), head.u16(28)] : [0, 0];
  const rest = await headers.read(entry.header + LOCAL_BYTES, nameBytes + extraBytes);
  if (nameBytes === 0 || !equal(rest.subarray(0, nameBytes), entry.rawName)) throw new NotADossier(`the entry ${shown} has another name in its own header`);
  const short = [head.u32(22), head.u32(18)];
  const isSize = short[0] === short[1] && zip64(rest.subarray(nameBytes), short)?.every((number) => number === entry.length);
  if (head.u16(6) !== entry.flags || head.u16(8) !== 0 || head.u32(14) !== entry.crc || !isSize) {
    throw new NotADossier(`the entry ${shown} has another method, CRC-32 or size in its own header`);
  }
  entry.start = entry.header + LOCAL_BYTES + nameBytes + extraBytes;
}

function innerName(name: string): string {
  return name.slice(ROOT.length);
}

/**
 * Whether a name is a plain relative path: no empty, `.` or `..` component, no backslash, no control character, no version of a file at its end
 * (`;1`), which some tools cut off.
 */
function isSafe(name: string): boolean {
  const plain = points(name).every((point) => point !== 0x5c && !isControl(point));
  return byteLength(name) <= MAX_NAME_BYTES && plain && !/;[0-9]*$/.test(name) && name.split("/").every((part) => !["", ".", ".."].includes(part));
}
