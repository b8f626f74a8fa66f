// The page: takes a trust file and a dossier, shows what the first pins and what was found of the second.

import { Refusal, utf8 } from "../core/bytes.js";
import { install } from "../core/primitives.js";
import { reportJson } from "../core/report.js";
import { parseTrust, pinned, type Trust } from "../core/trust.js";
import { verify } from "../core/verify.js";
import type { Archive, Source } from "../core/zip.js";
import { webPrimitives } from "../web-primitives.js";
import { byId, el, table } from "./dom.js";
import { digestFile } from "./hashing.js";
import { fill, LANGUAGES, preferred, type Language, type Messages } from "./messages/index.js";
import { grouped, ReportView, type Shown } from "./report-view.js";

/** The version of the page, which the build puts here. */
declare const VERSION: string;

const MAX_TRUST_BYTES = 4 * 1024 * 1024;
/** The longest report, in characters, that is shown as JSON as well; longer ones are saved. */
const MOST_RAW = 1_000_000;
/** How long a report that is being saved is kept. */
const KEPT_MILLIS = 60_000;

interface State {
  language: Language;
  trust: Trust | null;
  trustProblem: string | null;
  dossier: File | null;
  shown: Shown | null;
  problem: string | null;
  /** Counts verifications, so that one that was replaced says nothing more. */
  run: number;
}

const state: State = { language: "en", trust: null, trustProblem: null, dossier: null, shown: null, problem: null, run: 0 };

function words(): Messages {
  return LANGUAGES[state.language].messages;
}

function say(key: keyof Messages, values: Record<string, string | number> = {}): string {
  return fill(words()[key], values);
}

/** Sets every text of the page in the chosen language. */
function translate(): void {
  document.documentElement.lang = state.language;
  document.title = words().title;
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = say(element.dataset["text"] as keyof Messages, { version: VERSION });
  }
  showTrust();
  showResult();
}

function showTrust(): void {
  const { trust, trustProblem } = state;
  const place = byId("pins");
  place.replaceChildren();
  if (trustProblem !== null) place.append(el("p", { class: "warning", role: "alert" }, `${words().trustBad}: `, el("span", { lang: "en" }, trustProblem)));
  byId("waiting").hidden = trust !== null;
  if (!trust) return;
  const what = { log: words().pinLog, list: words().pinList, cosigner: words().pinCosigner, authority: words().pinAuthority };
  const rows = pinned(trust).map((one) => [what[one.what], one.name, el("code", {}, grouped(one.fingerprint))]);
  place.append(table(words().trustPins, [words().pinWhat, words().pinName, words().fingerprint], rows));
  if (!trust.policy) place.append(el("p", { class: "warning" }, words().noPolicy));
  if (trust.stampsDemanded) place.append(el("p", {}, words().stampsDemanded));
}

function showResult(): void {
  const { shown, problem } = state;
  const place = byId("report");
  place.replaceChildren();
  byId("result").hidden = !shown && problem === null;
  byId("actions").hidden = !shown;
  if (problem !== null) place.append(el("p", { class: "warning", role: "alert" }, `${words().readFailed}: `, el("span", { lang: "en" }, problem)));
  if (!shown) return;
  const view = new ReportView(state.language, words());
  const text = rawReport(shown);
  const raw = text.length > MOST_RAW ? null : el("details", { class: "raw" }, el("summary", {}, words().raw), el("pre", { tabindex: "0", "aria-label": words().raw }, text));
  place.append(...view.verdict(shown), ...view.about(shown), ...view.exhibits(shown), ...view.checks(shown), ...view.notProven(shown), ...(raw ? [raw] : []));
}

function rawReport({ report }: Shown): string {
  return JSON.stringify(reportJson(report), (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value), 2);
}

async function takeTrust(file: File): Promise<void> {
  state.trust = null;
  state.trustProblem = null;
  try {
    if (file.size > MAX_TRUST_BYTES) throw new Refusal("it is larger than any trust file");
    const text = utf8(new Uint8Array(await file.arrayBuffer()));
    if (text === null) throw new Refusal("it is not UTF-8");
    state.trust = parseTrust(text);
  } catch (error) {
    state.trustProblem = error instanceof Refusal ? error.message : String(error);
  }
  showTrust();
  await start();
}

async function takeDossier(file: File): Promise<void> {
  state.dossier = file;
  await start();
}

/** What was dropped: a ZIP file is the dossier, anything else the trust file. */
async function take(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    const isZip = head[0] === 0x50 && head[1] === 0x4b;
    if (isZip || /\.zip$/i.test(file.name)) await takeDossier(file);
    else await takeTrust(file);
  }
}

function sourceOf(file: Blob): Source {
  return { size: file.size, read: async (offset, length) => new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()) };
}

/** Verifies as soon as both files are there. */
async function start(): Promise<void> {
  const { trust, dossier } = state;
  const run = ++state.run;
  [state.shown, state.problem] = [null, null];
  showResult();
  if (!trust || !dossier) return;
  const progress = new ProgressLine(dossier.name, () => run === state.run);
  let suspicious: string[] = [];
  try {
    const report = await verify(sourceOf(dossier), trust, (archive) => {
      suspicious = looksLikeTrust(archive);
      return digestFile(dossier, archive, (done, total) => progress.bytes(done, total));
    });
    if (run !== state.run) return;
    state.shown = { report, fileName: dossier.name, fileSize: dossier.size, checkedAt: new Date(), suspicious };
  } catch (error) {
    if (run !== state.run) return;
    state.problem = error instanceof Error ? error.message : String(error);
  } finally {
    if (run === state.run) progress.end();
  }
  showResult();
  (document.getElementById("verdict") ?? byId("result")).focus();
}

/** Files of a dossier that somebody might take for the reader's own. */
function looksLikeTrust(archive: Archive): string[] {
  const names = archive.names().filter((name) => !name.startsWith("data/exhibits/"));
  return names.filter((name) => /\.toml$|\.exe$|trust|verif/i.test(name));
}

/** The line that says how far it has come: seldom enough for a screen reader, often enough for an eye. */
class ProgressLine {
  private static readonly SAID_EVERY_MILLIS = 1000;
  private said = 0;

  constructor(
    private readonly name: string,
    private readonly isCurrent: () => boolean,
  ) {
    byId("progress").hidden = false;
    byId<HTMLProgressElement>("bar").removeAttribute("value");
    byId("status").textContent = say("readingRecords", { name });
  }

  bytes(done: number, total: number): void {
    if (!this.isCurrent() || total === 0) return;
    byId<HTMLProgressElement>("bar").value = done / total;
    const now = performance.now();
    if (now - this.said < ProgressLine.SAID_EVERY_MILLIS && done < total) return;
    this.said = now;
    const form = new Intl.NumberFormat(state.language, { maximumFractionDigits: 1, notation: "compact", style: "unit", unit: "byte", unitDisplay: "narrow" });
    const values = { name: this.name, done: form.format(done), total: form.format(total), percent: Math.floor((100 * done) / total) };
    byId("status").textContent = done < total ? say("reading", values) : say("readingRecords", { name: this.name });
  }

  end(): void {
    byId("progress").hidden = true;
    byId("status").textContent = "";
  }
}

function download(): void {
  if (!state.shown) return;
  const url = URL.createObjectURL(new Blob([rawReport(state.shown)], { type: "application/json" }));
  el("a", { href: url, download: `${state.shown.fileName}.report.json` }).click();
  // The browser reads it after this function has ended.
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MILLIS);
}

async function copy(): Promise<void> {
  if (!state.shown) return;
  await navigator.clipboard.writeText(rawReport(state.shown));
  byId("copied").textContent = words().copied;
}

function listen(): void {
  const choose = (id: string, then: (file: File) => Promise<void>): void => {
    const input = byId<HTMLInputElement>(id);
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) void then(file);
    });
  };
  choose("trust", takeTrust);
  choose("dossier", takeDossier);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    void take([...(event.dataTransfer?.files ?? [])]);
  });
  byId("print").addEventListener("click", () => window.print());
  byId("download").addEventListener("click", download);
  byId("copy").addEventListener("click", () => void copy());
  // On paper nothing can be opened, so all but the raw report is open.
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll<HTMLDetailsElement>("details:not(.raw)")) details.open = true;
  });
}

function begin(): void {
  install(webPrimitives);
  const select = byId<HTMLSelectElement>("language");
  for (const [code, { name }] of Object.entries(LANGUAGES)) select.append(el("option", { value: code, lang: code }, name));
  state.language = preferred(navigator.languages);
  select.value = state.language;
  select.addEventListener("change", () => {
    state.language = select.value as Language;
    translate();
  });
  listen();
  translate();
}

begin();
