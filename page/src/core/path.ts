// Paths of files within an exhibit: what is refused, and how a dangerous one is shown. Source: docs/spec/exhibit.md §7, Paths.

import { isControl, isWhiteSpace, utf8 } from "./bytes.js";

const MAX_PATH_BYTES = 4096;
const MAX_COMPONENT_BYTES = 1024;
const SLASH = 0x2f;

/** The rule that a raw path breaks, or null. */
export function pathFault(path: Uint8Array): "PathLength" | "PathForm" | null {
  if (path.length > MAX_PATH_BYTES) return "PathLength";
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    const component = path.subarray(start, at);
    if (component.length > MAX_COMPONENT_BYTES) return "PathLength";
    const dots = component.length <= 2 && component.every((byte) => byte === 0x2e);
    if (dots || component.includes(0)) return "PathForm";
    start = at + 1;
  }
  return null;
}

const RANGES: [number, number][] = [
  [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160], [0x17b4, 0x17b5], [0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e],
  [0x2060, 0x206f], [0x2800, 0x2800], [0x3164, 0x3164], [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb],
  [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a], [0xe0000, 0xe0fff],
];

/** Characters that move, hide or reorder what stands around them. */
function isDeceptive(point: number): boolean {
  return isControl(point) || (isWhiteSpace(point) && point !== 0x20) || RANGES.some(([least, most]) => point >= least && point <= most);
}

/** Shows a text on one line: what could deceive is written as an escape, and so is `\`. */
export function displayText(text: string): string {
  let shown = "";
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    if (character === "\\") shown += "\\\\";
    else shown += isDeceptive(point) ? `\\u{${point.toString(16)}}` : character;
  }
  return shown;
}

/** Shows any bytes on one line; bytes that are not UTF-8 become `\xhh`. */
export function display(bytes: Uint8Array): string {
  const whole = utf8(bytes);
  if (whole !== null) return displayText(whole);
  let shown = "";
  for (let at = 0; at < bytes.length; ) {
    const { length, valid } = sequence(bytes, at);
    const part = bytes.subarray(at, at + length);
    shown += valid ? displayText(utf8(part) as string) : Array.from(part, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    at += length;
  }
  return shown;
}

/** The next character, or the next maximal part of one that is ill formed. Source: the Unicode Standard §3.9, table 3-7. */
function sequence(bytes: Uint8Array, at: number): { length: number; valid: boolean } {
  const first = bytes[at] as number;
  if (first < 0x80) return { length: 1, valid: true };
  const wanted = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 1;
  if (wanted === 1) return { length: 1, valid: false };
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  for (let place = 1; place < wanted; place++) {
    const byte = bytes[at + place] ?? -1;
    if (byte < (place === 1 ? least : 0x80) || byte > (place === 1 ? most : 0xbf)) return { length: place, valid: false };
  }
  return { length: wanted, valid: true };
}
