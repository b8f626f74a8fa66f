// Signed notes, keys, checkpoints and cosignatures. Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature; docs/spec/log.md §2 to §4.

import { byteLength, decimal, equal, fromBase64, isWhiteSpace, points, Refusal, toBase64, toHex, toUtf8, utf8 } from "./bytes.js";
import { isUsableKey, verifyEd25519 } from "./ed25519.js";
import { emptyRoot, MAX_TREE_SIZE } from "./merkle.js";
import { sha256 } from "./primitives.js";

const MAX_NOTE_BYTES = 128 * 1024;
const MAX_TEXT_BYTES = 16 * 1024;
const MAX_SIGNATURES = 100;
const MAX_SIGNATURE_BYTES = 8 * 1024;
const LINE_FEED = Uint8Array.of(10);

/** Refuses what is no name of a key: 1 to 255 bytes without white space, control characters below U+0020 and `+`. */
export function checkKeyName(name: string): string {
  if (byteLength(name) > 255) throw new Refusal("key name is over the limit of 255 bytes");
  const bad = (point: number): boolean => isWhiteSpace(point) || point < 0x20 || point === 0x2b;
  if (name === "" || points(name).some(bad)) {
    throw new Refusal("malformed key name: it is empty, or has a space, a control character or a plus");
  }
  return name;
}

/** Type 0x01 signs a note's text, type 0x04 a time and a checkpoint. */
export type KeyType = 1 | 4;

export interface VerifierKey {
  name: string;
  type: KeyType;
  /** The 4 bytes that tell keys of one name apart, in hexadecimal digits. */
  id: string;
  key: Uint8Array;
  /** The key as it is written. */
  text: string;
}

export interface SignatureLine {
  name: string;
  id: string;
  bytes: Uint8Array;
  /** The line as it stands, without its line feed. */
  text: string;
}

/** Reads a verifier key: `name+id+base64(type ‖ key)`. */
export function parseVkey(text: string, type: KeyType): VerifierKey {
  const bad = (reason: string): Refusal => new Refusal(`malformed verifier key: ${reason}`);
  if (byteLength(text) > 4096) throw new Refusal("verifier key is over the limit of 4096 bytes");
  const [, first, id, last] = /^([^+]*)\+([^+]*)\+([\s\S]*)$/.exec(text) ?? [];
  if (first === undefined || id === undefined || last === undefined) throw bad("it is not name+id+key");
  const name = checkKeyName(first);
  if (!/^[0-9a-f]{8}$/.test(id)) throw bad("the id is not 8 lower-case hexadecimal digits");
  const decoded = fromBase64(last);
  if (!decoded) throw bad("the key is not Base64");
  if (decoded.length === 0) throw bad("the key is empty");
  if (decoded[0] !== type) {
    throw new Refusal(`a key of signature type 0x${toHex(decoded.subarray(0, 1))} cannot be used for this`);
  }
  const key = decoded.slice(1);
  if (key.length !== 32) throw bad("the key has not 32 bytes");
  if (!isUsableKey(key)) throw bad("not an Ed25519 public key");
  const found = toHex(sha256(toUtf8(name), LINE_FEED, decoded).subarray(0, 4));
  if (found !== id) throw bad("the id is not that of the name and key");
  return { name, type, id, key, text };
}

/** Whether a line names a key; its signature is another question. */
export function isNamedBy(key: VerifierKey, line: SignatureLine): boolean {
  return key.name === line.name && key.id === line.id;
}

export interface Note {
  /** The text that is signed, with its last line feed. */
  text: string;
  signatures: SignatureLine[];
}

/** Reads a note; checks form and limits only. */
export function parseNote(bytes: Uint8Array): Note {
  const bad = (reason: string): Refusal => new Refusal(`malformed signed note: ${reason}`);
  if (bytes.length > MAX_NOTE_BYTES) throw new Refusal(`signed note is over the limit of ${MAX_NOTE_BYTES} bytes`);
  if (bytes.some((byte) => byte < 0x20 && byte !== 10)) throw bad("it has a control character other than the newline");
  const note = utf8(bytes);
  if (note === null) throw bad("it is not UTF-8");
  const empty = note.lastIndexOf("\n\n");
  if (empty < 0) throw bad("no empty line before the signatures");
  const text = note.slice(0, empty + 1);
  if (byteLength(text) > MAX_TEXT_BYTES) throw new Refusal(`signed note is over the limit of ${MAX_TEXT_BYTES} bytes`);
  const rest = note.slice(empty + 2);
  if (!rest.endsWith("\n")) throw bad("it does not end with a signature line and a newline");
  const all = rest.slice(0, -1).split("\n");
  if (all.length > MAX_SIGNATURES) throw bad("it has more than 100 signatures");
  return { text, signatures: all.map((line) => parseLine(line, bad)) };
}

function parseLine(line: string, bad: (reason: string) => Refusal): SignatureLine {
  if (!line.startsWith("— ")) throw bad("a signature line does not begin with an em dash and a space");
  const rest = line.slice(2);
  const space = rest.indexOf(" ");
  if (space < 0) throw bad("a signature line has no signature");
  const encoded = rest.slice(space + 1);
  if (encoded.length > Math.ceil((4 + MAX_SIGNATURE_BYTES) / 3) * 4) {
    throw new Refusal(`signed note is over the limit of ${MAX_SIGNATURE_BYTES} bytes`);
  }
  const signature = fromBase64(encoded);
  if (!signature) throw bad("a signature is not Base64");
  if (signature.length < 5) throw bad("a signature has fewer than 5 bytes");
  return { name: checkKeyName(rest.slice(0, space)), id: toHex(signature.subarray(0, 4)), bytes: signature.slice(4), text: line };
}

/** A checkpoint that the log itself signed, under a key that the verifier pins. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
  note: Note;
}

/** Reads a checkpoint and checks the log's own signature. Cosignatures are not looked at. */
export function verifyCheckpoint(bytes: Uint8Array, log: VerifierKey): Checkpoint {
  const note = parseNote(bytes);
  const { origin, size, root } = parseCheckpointText(note.text);
  if (log.name !== origin) throw new Refusal(`the checkpoint is of the log ${origin}, which is not known here`);
  const own = note.signatures.filter((line) => isNamedBy(log, line));
  if (own.some((line) => !verifyEd25519(line.bytes, toUtf8(note.text), log.key))) {
    throw new Refusal(`the signature of ${log.name} does not verify`);
  }
  if (own.length === 0) throw new Refusal(`there is no signature of ${log.name}`);
  return { origin, size, root, note };
}

function parseCheckpointText(text: string): { origin: string; size: number; root: Uint8Array } {
  const bad = (reason: string): Refusal => new Refusal(`malformed checkpoint: ${reason}`);
  const [origin, sizeText, rootText, end, ...more] = text.split("\n");
  if (origin === undefined || sizeText === undefined || rootText === undefined || end !== "" || more.length > 0) {
    throw bad("it has not exactly three lines (extension lines are refused)");
  }
  checkKeyName(origin);
  const size = decimal(sizeText);
  if (size === null) throw bad("the tree size is not a decimal without leading zeros");
  if (size > BigInt(MAX_TREE_SIZE)) throw bad("the tree size is over 2^48");
  const root = rootText.length === 44 ? fromBase64(rootText) : null;
  if (root?.length !== 32) throw bad("the root hash is not the Base64 of 32 bytes");
  if (size === 0n && !equal(root, emptyRoot())) throw bad("a tree of size 0 has not the root of the empty tree");
  return { origin, size: Number(size), root };
}

/** A cosignature that was checked. */
export interface Cosignature {
  key: VerifierKey;
  /** Seconds since 1970; the cosigner's word. */
  seconds: bigint;
}

/** Checks every line of the checkpoint that names one of these keys of type 0x04; refuses if one does not verify. */
export function cosignatures(checkpoint: Checkpoint, keys: VerifierKey[]): Cosignature[] {
  const lines = (key: VerifierKey): SignatureLine[] => checkpoint.note.signatures.filter((line) => isNamedBy(key, line));
  return keys.flatMap((key) => lines(key).map((line) => ({ key, seconds: checkCosignature(checkpoint, key, line) })));
}

function checkCosignature(checkpoint: Checkpoint, key: VerifierKey, line: SignatureLine): bigint {
  if (line.bytes.length !== 72) throw new Refusal("malformed cosignature: it has not 8 bytes of time and 64 of signature");
  const seconds = new DataView(line.bytes.buffer, line.bytes.byteOffset).getBigUint64(0);
  if (seconds === 0n || seconds >= 1n << 63n) throw new Refusal("malformed cosignature: the time is 0 or over 2^63-1");
  const body = `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
  const message = toUtf8(`cosignature/v1\ntime ${seconds}\n${body}`);
  if (!verifyEd25519(line.bytes.slice(8), message, key.key)) throw new Refusal(`the signature of ${key.name} does not verify`);
  return seconds;
}

/** The bytes of a checkpoint that are stamped: text, empty line, and the log's own signature line alone. Source: docs/spec/witnesses.md §3. */
export function stampedBytes(checkpoint: Checkpoint, log: VerifierKey): Uint8Array {
  const own = checkpoint.note.signatures.find((line) => isNamedBy(log, line)) as SignatureLine;
  return toUtf8(`${checkpoint.note.text}\n${own.text}\n`);
}
