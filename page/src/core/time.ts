// Times of actors (RFC 3339, kept as signed) and of the log (milliseconds). Source: docs/spec/README.md, Conventions.

import { text, type Codec } from "./json.js";
import { Refusal } from "./bytes.js";

/** The end of the year 9999, in milliseconds since 1970. */
export const MAX_LOG_MILLIS = 253_402_300_799_999;

/** Milliseconds since 1970 of an actor's time, digits beyond cut off; null if the text is none. */
export function claimedMillis(claimed: string): number | null {
  const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(claimed);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const zone = found[8] as string;
  const [zoneHour, zoneMinute] = zone === "Z" ? [0, 0] : [Number(zone.slice(1, 3)), Number(zone.slice(4, 6))];
  if (year === 0 || !isDay(year, month, day) || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return null;
  const offset = (zone.startsWith("-") ? -1 : 1) * (zoneHour * 60 + zoneMinute) * 60_000;
  const fraction = (found[7] ?? "").padEnd(9, "0");
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const millis = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Number(fraction.slice(0, 3)) - offset;
  // What lies before 1970 is cut towards 1970.
  return millis < 0 && Number(fraction.slice(3)) > 0 ? millis + 1 : millis;
}

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return month >= 1 && day >= 1 && date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

export interface ClaimedTime {
  text: string;
  millis: number;
}

export const claimedTime: Codec<ClaimedTime> = (json) => {
  const millis = json.kind === "string" ? claimedMillis(json.text) : null;
  if (json.kind !== "string" || millis === null) {
    throw new Refusal("a time is written as in RFC 3339 with seconds and an offset, for example 2026-11-23T21:04:05+01:00");
  }
  return { text: json.text, millis };
};

/** A day of the Gregorian calendar from 1900-01-01 on. */
export function isDate(date: string): boolean {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(date);
  return found !== null && Number(found[1]) >= 1900 && isDay(Number(found[1]), Number(found[2]), Number(found[3]));
}

export const date: Codec<string> = text(isDate, "a date is written YYYY-MM-DD, from the year 1900");

/** The log's time as RFC 3339 in UTC, with a fraction only if it is not 0. */
export function showMillis(millis: number): string {
  return new Date(millis).toISOString().replace(".000Z", "Z").replace(/(\.\d*[1-9])0+Z$/, "$1Z");
}
