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
  /** Where the records of the end begin. */
  end: number;
}

interface Entry extends Extent {
  name: string;
  rawName: Uint8Array;
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
    if (directory.entries > MAX_ENTRIES) throw new NotADossier("it has more than 1000000 entries");
    const found = await readDirectory(source, directory);
    const entries = new Map<string, Extent>();
    found.sort((a, b) => a.header - b.header);
    const headers = new WindowReader(source, HEADER_WINDOW_BYTES);
    let expected = 0;
    for (const entry of found) {
      if (entry.header !== expected) throw new NotADossier(`the entry ${JSON.stringify(entry.name)} overlaps another or leaves a gap before it`);
      await readLocalHeader(headers, entry);
      expected = entry.start + entry.length;
      const inner = innerName(entry.name);
      if (entries.has(inner)) throw new NotADossier("two entries have one name");
      entries.set(inner, { start: entry.start, length: entry.length, crc: entry.crc });
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
  ) {}

  get size(): number {
    return this.source.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.source.size) throw new NotADossier("it ends early");
    if (offset < this.start || offset + length > this.start + this.window.length) {
      this.start = offset;
      this.window = await this.source.read(offset, Math.min(Math.max(length, this.windowBytes), this.source.size - offset));
    }
    return this.window.subarray(offset - this.start, offset - this.start + length);
  }
}

/** The file ends with the end-of-directory record, without comment. */
async function findDirectory(source: Source): Promise<Directory> {
  if (source.size < END_BYTES) throw new NotADossier("it is no ZIP file");
  const at = source.size - END_BYTES;
  // The locator and record of ZIP64 stand before it, where there are any.
  const tailStart = Math.max(0, at - 76);
  const tail = new Fields(await source.read(tailStart, source.size - tailStart));
  const end = at - tailStart;
  if (!tail.is(end, 0x06054b50) || tail.u16(end + 20) !== 0) throw new NotADossier("it does not end with the end record of a ZIP file");
  const [disk, directoryDisk, entriesHere, entries] = [tail.u16(end + 4), tail.u16(end + 6), tail.u16(end + 8), tail.u16(end + 10)];
  const [size, start] = [tail.u32(end + 12), tail.u32(end + 16)];
  const isZip64 = entries === 0xffff || size === NONE32 || start === NONE32;
  if (isZip64 && end >= 20 && tail.is(end - 20, 0x07064b50)) return readZip64(source, at - 20, new Fields(tail.bytes.subarray(end - 20, end)));
  if (disk !== 0 || directoryDisk !== 0 || entriesHere !== entries) throw new NotADossier("it is a part of a ZIP file of several parts");
  if (entries === 0) {
    if (start > at) throw new NotADossier("its directory lies after its end");
    return { start: at, entries, end: at };
  }
  if (start >= at) throw new NotADossier("its directory lies after its end");
  // Some tools find the directory by its size; they must find the same.
  const bySize = at - size;
  if (bySize > start && new Fields(await source.read(bySize, 4)).is(0, CENTRAL_SIGNATURE)) throw new NotADossier("it has two directories");
  return { start, entries, end: at };
}

async function readZip64(source: Source, locatorAt: number, locator: Fields): Promise<Directory> {
  const recordAt = locator.u64(8);
  if (recordAt + 56 > locatorAt || locator.u32(16) > 1 || locator.u32(4) !== 0) throw new NotADossier("its ZIP64 locator is not one");
  const record = new Fields(await source.read(recordAt, 56));
  const [entriesHere, entries, start] = [record.u64(24), record.u64(32), record.u64(48)];
  if (!record.is(0, 0x06064b50) || record.u64(4) + 12 !== locatorAt - recordAt) throw new NotADossier("its ZIP64 end record is not one");
  if (record.u32(16) !== 0 || record.u32(20) !== 0 || entriesHere !== entries) throw new NotADossier("it is a part of a ZIP file of several parts");
  if (start + entries * CENTRAL_BYTES > recordAt) throw new NotADossier("its directory lies after its end");
  return { start, entries, end: recordAt };
}

async function readDirectory(source: Source, directory: Directory): Promise<Entry[]> {
  const reader = new WindowReader(source, DIRECTORY_WINDOW_BYTES);
  const found: Entry[] = [];
  let at = directory.start;
  for (let number = 0; number < directory.entries; number++) {
    const head = new Fields(await reader.read(at, CENTRAL_BYTES));
    if (!head.is(0, CENTRAL_SIGNATURE)) throw new NotADossier("its directory is not one");
    const [name, extra, comment] = [head.u16(28), head.u16(30), head.u16(32)];
    const fields = await reader.read(at + CENTRAL_BYTES, name + extra + comment);
    found.push(readCentral(new Fields(head.bytes), fields.slice(0, name), fields.slice(name, name + extra)));
    at += CENTRAL_BYTES + name + extra + comment;
    if (at > source.size) throw new NotADossier("it ends early");
  }
  return found;
}

function readCentral(head: Fields, rawName: Uint8Array, extra: Uint8Array): Entry {
  const name = utf8(rawName);
  if (name === null) throw new NotADossier("the name of an entry is not UTF-8");
  const shown = JSON.stringify(name);
  const sizes = readExtra(extra, { stored: head.u32(20), plain: head.u32(24), header: head.u32(42) }, rawName);
  if (head.u16(10) !== 0 || (head.u16(8) & 1) !== 0 || sizes.plain !== sizes.stored) throw new NotADossier(`the entry ${shown} is compressed or encrypted`);
  const attributes = head.u32(38);
  const isUnix = head.u16(4) >> 8 === 3;
  if (head.u16(34) !== 0) throw new NotADossier(`the entry ${shown} is said to lie on another disk`);
  const isLink = isUnix && attributes !== 0 && ((attributes >>> 16) & 0xa000) === 0xa000;
  if (isLink || name.endsWith("/") || name.endsWith("\\")) throw new NotADossier(`the entry ${shown} is a link or a folder`);
  if (!name.startsWith(ROOT) || !isSafe(innerName(name))) throw new NotADossier(`the entry ${shown} lies outside ${ROOT}`);
  return { name, rawName, header: sizes.header, start: Number.NaN, length: sizes.plain, crc: head.u32(16) };
}

interface Sizes {
  stored: number;
  plain: number;
  header: number;
}

/** Reads the extra fields of a directory entry: the numbers of ZIP64, and a second name, which is refused if it is another. */
function readExtra(extra: Uint8Array, sizes: Sizes, rawName: Uint8Array): Sizes {
  const fields = new Fields(extra);
  const truncated = new NotADossier("an extra field is cut off");
  const known = [0x0001, 0x000a, 0x5455, 0x6375, 0x7075, 0x9901, 0xa11e, 0xd935];
  let found = sizes;
  for (let at = 0; at + 2 <= extra.length; ) {
    const kind = fields.u16(at);
    if (at + 4 > extra.length) {
      if (known.includes(kind)) throw truncated;
      break;
    }
    const length = fields.u16(at + 2);
    const value = extra.subarray(at + 4, at + 4 + length);
    if (kind === 0x0001) found = readZip64Sizes(new Fields(value), length, sizes);
    else if (value.length < length) throw truncated;
    else checkKnown(kind, value, rawName);
    at += 4 + length;
  }
  return found;
}

function readZip64Sizes(value: Fields, length: number, sizes: Sizes): Sizes {
  let at = 0;
  const next = (given: number): number => {
    if (given !== NONE32) return given;
    at += 8;
    if (at > length || at > value.bytes.length) throw new NotADossier("an extra field is cut off");
    return value.u64(at - 8);
  };
  return { plain: next(sizes.plain), stored: next(sizes.stored), header: next(sizes.header) };
}

function checkKnown(kind: number, value: Uint8Array, rawName: Uint8Array): void {
  const short = (least: number): void => {
    if (value.length < least) throw new NotADossier("an extra field is too short");
  };
  if (kind === 0x5455) short(1);
  if (kind === 0xa11e || kind === 0xd935) short(2);
  if (kind === 0x6375 || kind === 0x7075) short(5);
  if (kind !== 0x7075) return;
  const name = value.subarray(5);
  if (new Fields(value).u32(1) === crc32(rawName) && utf8(name) !== null && !equal(name, rawName)) {
    throw new NotADossier("an entry has two names");
  }
}

/** Each local header says of its entry what the directory says; sets where the entry's bytes begin. */
async function readLocalHeader(headers: WindowReader, entry: Entry): Promise<void> {
  const shown = JSON.stringify(entry.name);
  const head = new Fields((await headers.read(entry.header, LOCAL_BYTES)).slice());
  const nameBytes = head.is(0, 0x04034b50) ? head.u16(26) : 0;
  const name = await headers.read(entry.header + LOCAL_BYTES, nameBytes);
  if (!head.is(0, 0x04034b50) || !equal(name, entry.rawName)) throw new NotADossier(`the entry ${shown} has another name in its own header`);
  const isSize = (size: number): boolean => size === entry.length || size === NONE32;
  if ((head.u16(6) & ~UTF8_FLAG) !== 0 || head.u16(8) !== 0 || head.u32(14) !== entry.crc || !isSize(head.u32(18)) || !isSize(head.u32(22))) {
    throw new NotADossier(`the entry ${shown} has another method, CRC-32 or size in its own header`);
  }
  entry.start = entry.header + LOCAL_BYTES + nameBytes + head.u16(28);
  if (entry.start + entry.length > headers.size) throw new NotADossier("it ends early");
}

function innerName(name: string): string {
  return name.slice(ROOT.length);
}

/** Whether a name is a plain relative path: no empty, `.` or `..` component, no backslash, no control character. */
function isSafe(name: string): boolean {
  const plain = points(name).every((point) => point !== 0x5c && !isControl(point));
  return byteLength(name) <= MAX_NAME_BYTES && plain && name.split("/").every((part) => !["", ".", ".."].includes(part));
}
