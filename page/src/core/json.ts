// JSON, read strictly: no repeated, unknown or missing members, integers as they were written, and on demand one encoding only.
// Source: docs/spec/README.md, Conventions.

import { Refusal, utf8 } from "./bytes.js";

export type Json =
  | { kind: "object"; members: [string, Json][] }
  | { kind: "array"; items: Json[] }
  | { kind: "string"; text: string }
  | { kind: "number"; text: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "null" };

const MAX_DEPTH = 127;

class Parser {
  private at = 0;
  /** Whether anything was read that the one encoding does not write: white space, another escape, another form of a number. */
  loose = false;

  constructor(private readonly text: string) {}

  whole(): Json {
    const value = this.value(0);
    this.space();
    if (this.at !== this.text.length) throw this.refusal("something stands after the value");
    return value;
  }

  private refusal(problem: string): Refusal {
    return new Refusal(`not the JSON of this form at character ${this.at + 1}: ${problem}`);
  }

  private space(): void {
    const from = this.at;
    while (" \t\n\r".includes(this.text.charAt(this.at)) && this.at < this.text.length) this.at++;
    if (this.at > from) this.loose = true;
  }

  private value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.refusal("it is nested too deep");
    this.space();
    switch (this.text.charAt(this.at)) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return { kind: "string", text: this.string() };
      case "t":
        return this.word("true", { kind: "boolean", value: true });
      case "f":
        return this.word("false", { kind: "boolean", value: false });
      case "n":
        return this.word("null", { kind: "null" });
      default:
        return this.number();
    }
  }

  private word(word: string, value: Json): Json {
    if (!this.text.startsWith(word, this.at)) throw this.refusal("no value");
    this.at += word.length;
    return value;
  }

  private number(): Json {
    const pattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) throw this.refusal("no value");
    this.at += found[0].length;
    return { kind: "number", text: found[0] };
  }

  private string(): string {
    const from = this.at;
    // Most strings have no escape and no control character, and end at the next quotation mark.
    const end = this.text.indexOf('"', from + 1);
    if (end >= 0) {
      const plain = this.text.slice(from + 1, end);
      // eslint-disable-next-line no-control-regex
      if (!/[\\\u0000-\u001f]/.test(plain)) {
        this.at = end + 1;
        return plain;
      }
    }
    // Piece by piece: one pattern for a whole string would recurse, and end at strings of some millions of characters.
    // eslint-disable-next-line no-control-regex
    const piece = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    piece.lastIndex = from + 1;
    let to = from + 1;
    while (piece.exec(this.text)) to = piece.lastIndex;
    if (this.text.charAt(to) !== '"') throw this.refusal("no string");
    const found = this.text.slice(from, to + 1);
    const value = JSON.parse(found) as string;
    if (/[\ud800-\udfff]/u.test(value)) throw this.refusal("half of a surrogate pair");
    if (JSON.stringify(value) !== found) this.loose = true;
    this.at = to + 1;
    return value;
  }

  private object(depth: number): Json {
    const members: [string, Json][] = [];
    this.at++;
    this.space();
    if (this.text.charAt(this.at) === "}") {
      this.at++;
      return { kind: "object", members };
    }
    for (;;) {
      this.space();
      if (this.text.charAt(this.at) !== '"') throw this.refusal("no name of a member");
      const name = this.string();
      this.space();
      if (this.text.charAt(this.at) !== ":") throw this.refusal("no colon after a name");
      this.at++;
      members.push([name, this.value(depth + 1)]);
      this.space();
      const next = this.text.charAt(this.at++);
      if (next === "}") return { kind: "object", members };
      if (next !== ",") throw this.refusal("no comma between members");
    }
  }

  private array(depth: number): Json {
    const items: Json[] = [];
    this.at++;
    this.space();
    if (this.text.charAt(this.at) === "]") {
      this.at++;
      return { kind: "array", items };
    }
    for (;;) {
      items.push(this.value(depth + 1));
      this.space();
      const next = this.text.charAt(this.at++);
      if (next === "]") return { kind: "array", items };
      if (next !== ",") throw this.refusal("no comma between items");
    }
  }
}

/** Reads a value of a type out of JSON; refuses what is none. `strict` asks for the order of members too. */
export type Codec<T> = (json: Json, strict: boolean) => T;

/** Reads JSON that only carries things: any order of members, any white space. */
export function read<T>(bytes: Uint8Array, codec: Codec<T>): T {
  return codec(parse(bytes), false);
}

/** Reads JSON of which one value has exactly one encoding. */
export function readStrict<T>(bytes: Uint8Array, codec: Codec<T>): T {
  const text = utf8(bytes);
  if (text === null) throw new Refusal("not UTF-8");
  const parser = new Parser(text);
  const json = parser.whole();
  if (parser.loose) throw new Refusal("not the one encoding of what it says");
  return codec(json, true);
}

export function parse(bytes: Uint8Array): Json {
  const text = utf8(bytes);
  if (text === null) throw new Refusal("not UTF-8");
  return new Parser(text).whole();
}

export const string: Codec<string> = (json) => {
  if (json.kind !== "string") throw new Refusal("a text was expected");
  return json.text;
};

export const boolean: Codec<boolean> = (json) => {
  if (json.kind !== "boolean") throw new Refusal("true or false was expected");
  return json.value;
};

function integer(least: bigint, most: bigint): Codec<bigint> {
  return (json) => {
    if (json.kind !== "number" || !/^(-?[1-9][0-9]{0,19}|0)$/.test(json.text)) throw new Refusal("an integer was expected");
    const value = BigInt(json.text);
    if (value < least || value > most) throw new Refusal("an integer is out of its range");
    return value;
  };
}

export const u64: Codec<bigint> = integer(0n, (1n << 64n) - 1n);
export const i64: Codec<bigint> = integer(-(1n << 63n), (1n << 63n) - 1n);
const small = (bits: bigint): Codec<number> => {
  const codec = integer(0n, (1n << bits) - 1n);
  return (json, strict) => Number(codec(json, strict));
};
export const u8 = small(8n);
export const u16 = small(16n);
export const u32 = small(32n);

/** One of some words. */
export function word<W extends string>(...words: W[]): Codec<W> {
  return (json) => {
    const text = string(json, false);
    if (!(words as string[]).includes(text)) throw new Refusal(`${JSON.stringify(text)} is not one of ${words.join(", ")}`);
    return text as W;
  };
}

/** A text that keeps a rule. */
export function text(holds: (text: string) => boolean, problem: string): Codec<string> {
  return (json) => {
    const value = string(json, false);
    if (!holds(value)) throw new Refusal(problem);
    return value;
  };
}

/** Bytes in a text encoding. */
export function bytesBy(decode: (text: string) => Uint8Array | null, problem: string): Codec<Uint8Array> {
  return (json) => {
    const bytes = decode(string(json, false));
    if (!bytes) throw new Refusal(problem);
    return bytes;
  };
}

export function array<T>(item: Codec<T>, most = Number.POSITIVE_INFINITY): Codec<T[]> {
  return (json, strict) => {
    if (json.kind !== "array") throw new Refusal("a list was expected");
    if (json.items.length > most) throw new Refusal(`a list has more than ${most} items`);
    return json.items.map((one) => item(one, strict));
  };
}

/** A value, or null. */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return (json, strict) => (json.kind === "null" ? null : codec(json, strict));
}

const OPTIONAL = Symbol("optional");
type Optional<T> = Codec<T> & { [OPTIONAL]: true };

/** A member that may be absent, and is never null. */
export function optional<T>(codec: Codec<T>): Optional<T> {
  return Object.assign((json: Json, strict: boolean) => codec(json, strict), { [OPTIONAL]: true as const });
}

type Shape = Record<string, Codec<unknown>>;
type Value<S extends Shape> = {
  [K in keyof S as S[K] extends Optional<unknown> ? never : K]: S[K] extends Codec<infer T> ? T : never;
} & { [K in keyof S as S[K] extends Optional<unknown> ? K : never]?: S[K] extends Codec<infer T> ? T : never };

/** An object of exactly these members; strictly, in this order. */
export function object<S extends Shape>(shape: S): Codec<Value<S>> {
  const names = Object.keys(shape);
  return (json, strict) => {
    if (json.kind !== "object") throw new Refusal("an object was expected");
    const value: Record<string, unknown> = {};
    let last = -1;
    for (const [name, member] of json.members) {
      const place = names.indexOf(name);
      if (place < 0) throw new Refusal(`it has the unknown member ${JSON.stringify(name)}`);
      if (Object.hasOwn(value, name)) throw new Refusal(`it has the member ${name} twice`);
      if (strict && place < last) throw new Refusal(`the member ${name} is not in its place`);
      last = place;
      try {
        value[name] = (shape[name] as Codec<unknown>)(member, strict);
      } catch (error) {
        throw error instanceof Refusal ? new Refusal(`${name}: ${error.message}`) : error;
      }
    }
    const missing = names.find((name) => !Object.hasOwn(value, name) && !(OPTIONAL in (shape[name] as object)));
    if (missing !== undefined) throw new Refusal(`the member ${missing} is missing`);
    return value as Value<S>;
  };
}

/** An object whose first member names which of several it is. */
export function tagged<T>(tag: string, variants: Record<string, Codec<T>>): Codec<T> {
  return (json, strict) => {
    if (json.kind !== "object") throw new Refusal("an object was expected");
    const found = json.members.find(([name]) => name === tag);
    const variant = found?.[1].kind === "string" && Object.hasOwn(variants, found[1].text) ? variants[found[1].text] : undefined;
    if (!variant) throw new Refusal(`the member ${tag} is missing or unknown`);
    return variant(json, strict);
  };
}

/** Texts by name, no name twice. */
export function map<T>(item: Codec<T>): Codec<Map<string, T>> {
  return (json, strict) => {
    if (json.kind !== "object") throw new Refusal("an object was expected");
    const values = new Map<string, T>();
    for (const [name, member] of json.members) {
      if (values.has(name)) throw new Refusal(`it has the member ${JSON.stringify(name)} twice`);
      values.set(name, item(member, strict));
    }
    return values;
  };
}

/** JSON as it is read by programs; integers beyond 2^53 stay texts. */
export function plain(json: Json): unknown {
  switch (json.kind) {
    case "object":
      return Object.fromEntries(json.members.map(([name, member]) => [name, plain(member)]));
    case "array":
      return json.items.map(plain);
    case "string":
      return json.text;
    case "number":
      return Number.isSafeInteger(Number(json.text)) ? Number(json.text) : json.text;
    case "boolean":
      return json.value;
    case "null":
      return null;
  }
}
