// The part of TOML 1.1 that a trust file uses: top-level keys with strings of all four forms and integers. Anything else is refused.

import { Refusal } from "./bytes.js";

class TomlReader {
  private at = 0;
  private readonly values = new Map<string, string | bigint>();

  constructor(private readonly text: string) {}

  read(): Map<string, string | bigint> {
    for (;;) {
      this.skip(/[ \t\r\n]*/y);
      if (this.text.charAt(this.at) === "#") {
        this.comment();
        continue;
      }
      if (this.at >= this.text.length) return this.values;
      const key = this.key();
      this.skip(/[ \t]*/y);
      if (this.text.charAt(this.at++) !== "=") throw this.refusal("a key is followed by an equals sign");
      this.skip(/[ \t]*/y);
      const value = this.value();
      if (this.values.has(key)) throw this.refusal(`the key ${key} is there twice`);
      this.values.set(key, value);
      this.skip(/[ \t]*/y);
      if (this.text.charAt(this.at) === "#") this.comment();
      if (this.at < this.text.length && !this.match(/\r?\n/y)) throw this.refusal("something stands after a value");
    }
  }

  private refusal(problem: string): Refusal {
    const line = this.text.slice(0, this.at).split("\n").length;
    return new Refusal(`line ${line}: ${problem}`);
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return null;
    this.at += found[0].length;
    return found[0];
  }

  private skip(pattern: RegExp): void {
    this.match(pattern);
  }

  private comment(): void {
    const text = this.match(/#[^\n]*/y) ?? "";
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text.replace(/\r$/, ""))) throw this.refusal("a control character");
  }

  private key(): string {
    const bare = this.match(/[A-Za-z0-9_-]+/y);
    if (bare !== null) return bare;
    if (this.text.startsWith('"', this.at) || this.text.startsWith("'", this.at)) {
      if (!this.text.startsWith('"""', this.at) && !this.text.startsWith("'''", this.at)) return this.string();
    }
    throw this.refusal("only keys with a value are read here, no tables");
  }

  private value(): string | bigint {
    if (/["']/.test(this.text.charAt(this.at))) return this.string();
    const number = this.match(/[+-]?(?:0|[1-9](?:_?[0-9])*)(?![0-9A-Za-z_.:-])/y);
    if (number === null) throw this.refusal("a value is a string or an integer");
    return BigInt(number.replace(/[_+]/g, ""));
  }

  private string(): string {
    if (this.match(/"""\r?\n?/y) !== null) return this.basic('"""');
    if (this.match(/'''\r?\n?/y) !== null) return this.literal("'''");
    if (this.match(/"/y) !== null) return this.basic('"');
    this.at++;
    return this.literal("'");
  }

  private literal(end: string): string {
    const close = this.closing(end);
    const text = this.text.slice(this.at, close);
    this.checkCharacters(text, end.length === 3);
    this.at = close + end.length;
    return text;
  }

  /** Where a string of several lines ends: it may hold one or two of its quotation marks, also at its end. */
  private closing(end: string): number {
    let close = this.text.indexOf(end, this.at);
    if (close < 0) throw this.refusal("a string does not end");
    for (let more = 0; more < 2 && end.length === 3 && this.text.charAt(close + 3) === end.charAt(0); more++) close++;
    return close;
  }

  private basic(end: string): string {
    const many = end.length === 3;
    let text = "";
    for (;;) {
      if (this.at >= this.text.length) throw this.refusal("a string does not end");
      if (this.text.startsWith(end, this.at)) {
        const close = this.closing(end);
        text += this.text.slice(this.at, close);
        this.at = close + end.length;
        return text;
      }
      if (this.text.charAt(this.at) === "\\") {
        if (many && this.match(/\\[ \t]*\r?\n[ \t\r\n]*/y) !== null) continue;
        text += this.escape();
        continue;
      }
      const plain = this.match(many ? /[^"\\]+|"/y : /[^"\\]+/y) ?? "";
      this.checkCharacters(plain, many);
      text += plain;
    }
  }

  private checkCharacters(text: string, many: boolean): void {
    // eslint-disable-next-line no-control-regex
    const bad = many ? /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\r(?!\n)/ : /[\u0000-\u0008\u000a-\u001f\u007f]/;
    if (bad.test(text)) throw this.refusal("a control character in a string");
  }

  private escape(): string {
    const single: Record<string, string> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", e: "\u001b", '"': '"', "\\": "\\" };
    const found = this.match(/\\(?:[btnfre"\\]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})/y);
    if (found === null) throw this.refusal("an unknown escape in a string");
    const plain = single[found.charAt(1)];
    if (plain !== undefined) return plain;
    const point = Number.parseInt(found.slice(2), 16);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) throw this.refusal("an escape that is no character");
    return String.fromCodePoint(point);
  }
}

/** Reads top-level keys with strings and integers. */
export function parseToml(text: string): Map<string, string | bigint> {
  return new TomlReader(text.replace(/^\ufeff/, "")).read();
}
