// The report for people: one sentence first, then the exhibits and their custody, then check by check.

import { toHex } from "../core/bytes.js";
import { primitives } from "../core/primitives.js";
import type { ExhibitReport, ReportedAct } from "../core/exhibit.js";
import { CHECKS, isTrust, type Check, type Finding, type Status } from "../core/findings.js";
import { rawPath, type Intake, type Manifest } from "../core/manifest.js";
import { display, displayText } from "../core/path.js";
import type { StampedTime } from "../core/stamps.js";
import { showMillis } from "../core/time.js";
import type { Report } from "../core/verify.js";
import { el, table } from "./dom.js";
import { fill, type Language, type Messages } from "./messages/index.js";

/** How dates are written; in English as in Europe. */
const LOCALES: Record<Language, string> = { en: "en-GB", fr: "fr", de: "de", nl: "nl", ro: "ro" };

/** What is beyond this is in the saved report: no browser shows a hundred thousand lines well. */
const MOST_FILES = 1000;
const MOST_FINDINGS = 200;

export interface Shown {
  report: Report;
  fileName: string;
  fileSize: number;
  checkedAt: Date;
  /** Names in the dossier that look like a trust file or a verifier. */
  suspicious: string[];
}

export class ReportView {
  constructor(
    private readonly language: Language,
    private readonly words: Messages,
  ) {}

  private say(key: keyof Messages, values: Record<string, string | number> = {}): string {
    return fill(this.words[key], values);
  }

  private word(key: string, otherwise: string): string {
    return Object.hasOwn(this.words, key) ? this.words[key as keyof Messages] : otherwise;
  }

  /** A time in the reader's language, in UTC. */
  private time(millis: number): HTMLElement {
    const form = new Intl.DateTimeFormat(LOCALES[this.language], { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });
    return el("time", { datetime: showMillis(millis) }, `${form.format(millis)} UTC`);
  }

  verdict({ report, fileName, fileSize, suspicious }: Shown): HTMLElement[] {
    const word = this.words[`verdict${report.verdict}`];
    const shown = this.language === "en" ? word : `${word} (${report.verdict})`;
    const head = el("h2", { id: "verdict", tabindex: "-1" }, shown);
    const size = new Intl.NumberFormat(this.language).format(fileSize);
    return [
      el("div", { class: `verdict ${report.verdict.toLowerCase()}` }, head, el("p", { id: "sentence" }, this.sentence(report))),
      el("p", {}, `${this.words.file}: ${displayText(fileName)} (${this.words.size}: ${size})`),
      ...suspicious.map((name) => el("p", { class: "warning" }, this.say("ownTrust", { name: displayText(name) }))),
    ];
  }

  private sentence(report: Report): string {
    const { obstacle, verdict } = report;
    if (verdict !== "PASSED") {
      const check = obstacle ? this.words[obstacle.check] : "";
      return this.say(`sentence${verdict}`, { check, id: obstacle?.check ?? "" });
    }
    const n = report.exhibits.length;
    const exhibits = n === 1 ? this.words.exhibitsOne : this.say("exhibitsMany", { n });
    const record = Math.max((report.treeSize ?? 0) - 1, 0);
    return this.say("sentencePASSED", { exhibits, record, cosigners: report.cosigners.map(displayText).join(", ") });
  }

  about({ report }: Shown): HTMLElement[] {
    const { index } = report;
    if (!index) return [];
    const withheld = index.withheld.map(({ exhibit, ground }) =>
      exhibit === null
        ? this.say("withheldUnnamed", { ground: displayText(ground) })
        : this.say("withheldExhibit", { exhibit, ground: displayText(ground) }),
    );
    return [
      el("h2", {}, this.words.aboutHeading),
      this.list([
        [this.words.case, [el("code", {}, index.case)]],
        [this.words.made, [this.time(index.made.millis)]],
        [this.words.by, [index.by]],
        [this.words.recipients, [index.recipients.map(displayText).join(", ")]],
        [this.words.withheld, withheld.length > 0 ? [el("ul", {}, ...withheld.map((text) => el("li", {}, text)))] : [this.words.withheldNothing]],
      ]),
      ...(index.files === "digests" ? [el("p", { class: "warning" }, this.words.digestsOnly)] : []),
    ];
  }

  private list(entries: [string, (Node | string)[]][]): HTMLElement {
    return el("dl", {}, ...entries.flatMap(([term, values]) => [el("dt", {}, term), el("dd", {}, ...values)]));
  }

  exhibits({ report }: Shown): HTMLElement[] {
    return report.exhibits.flatMap((exhibit) => this.exhibit(exhibit));
  }

  private exhibit({ id, manifest, acts }: ExhibitReport): HTMLElement[] {
    const title = manifest
      ? `${this.say("exhibit", { number: displayText(manifest.intake.exhibit_number) })}: ${displayText(manifest.intake.title)}`
      : this.say("exhibitUnknown", { id });
    return [
      el("h2", {}, title),
      ...(manifest ? [this.intake(id, manifest.intake), this.files(manifest)] : []),
      table(
        this.words.custody,
        [this.words.record, this.words.time, this.words.act, this.words.person, this.words.purpose, this.words.reason],
        acts.map((act) => this.act(act)),
      ),
    ];
  }

  private intake(id: string, intake: Intake): HTMLElement {
    const { collected, acquisition, legal_basis: basis, source } = intake;
    const { device } = source;
    const from = [
      source.person && displayText(source.person),
      device &&
        [
          displayText(`${device.make} ${device.model}`),
          device.serial && this.say("serial", { serial: displayText(device.serial) }),
          device.clock_deviation_seconds !== undefined && this.say("clockOff", { seconds: signed(device.clock_deviation_seconds) }),
        ]
          .filter(Boolean)
          .join(", "),
    ].filter(Boolean);
    const tool = acquisition.tool && displayText(`${acquisition.tool} ${acquisition.tool_version ?? ""}`.trim());
    const blocker = acquisition.write_blocker && this.say("writeBlocker", { name: displayText(acquisition.write_blocker) });
    const legal = [
      displayText(`${basis.type} ${basis.identifier}`),
      displayText(`${basis.authority} (${basis.state})`),
      this.say("validFrom", { from: basis.valid_from }) + (basis.valid_to ? ` ${this.say("validTo", { to: basis.valid_to })}` : ""),
    ];
    const collectedText = this.say("collectedText", { by: displayText(collected.by), at: collected.at.text, place: displayText(collected.place) });
    return this.list([
      [this.words.identifier, [el("code", {}, id)]],
      [this.words.collected, [collectedText]],
      [this.words.source, [from.join("; ")]],
      [this.words.acquired, [[displayText(acquisition.method), tool, blocker].filter(Boolean).join(", ")]],
      [this.words.legalBasis, [legal.join(", ")]],
    ]);
  }

  private files(manifest: Manifest): HTMLElement {
    const size = new Intl.NumberFormat(this.language);
    const rows = manifest.files
      .slice(0, MOST_FILES)
      .map((file) => [display(rawPath(file)), size.format(file.size), el("code", {}, file.sha256)]);
    return el("div", {}, table(this.words.files, [this.words.path, this.words.size, "SHA-256"], rows), ...this.more(manifest.files.length - MOST_FILES));
  }

  /** Says that there are more than are shown. */
  private more(n: number): HTMLElement[] {
    return n > 0 ? [el("p", {}, this.say("more", { n }))] : [];
  }

  private act({ core, intent, certificate, stated, time }: ReportedAct): (Node | string | (Node | string)[])[] {
    const { act } = intent;
    const form = act.kind === "disclosure" ? ` (${this.word(`form:${act.body.form}`, act.body.form)})` : "";
    const refused = core.refusedBy === null ? [] : [el("strong", {}, this.say("refused", { rule: core.refusedBy }))];
    const recipients = intent.recipients.length === 0 ? [] : [el("div", {}, this.say("forWhom", { recipients: intent.recipients.map(displayText).join(", ") }))];
    const reason = stated ? el("div", {}, displayText(stated.reason)) : el("div", { class: "quiet" }, this.words.reasonNotGiven);
    const reference = stated?.reference ? [el("div", {}, this.say("reference", { reference: displayText(stated.reference) }))] : [];
    return [
      String(core.index),
      [this.time(core.millis), el("div", { class: "quiet" }, this.timeProof(time))],
      [el("div", {}, this.word(`kind:${act.kind}`, act.kind) + form), ...refused],
      [el("div", {}, displayText(certificate.name)), el("div", { class: "quiet" }, certificate.person)],
      intent.purpose ? this.word(`purpose:${intent.purpose}`, intent.purpose) : "",
      [reason, ...reference, ...recipients],
    ];
  }

  private timeProof({ is }: StampedTime): string {
    return is === "proven" ? this.words.timeProven : is === "contradicted" ? this.words.timeContradicted : this.words.timeStated;
  }

  checks({ report }: Shown): HTMLElement[] {
    const section = (title: string, findings: Finding[]): HTMLElement => {
      const made = CHECKS.filter((check) => findings.some((finding) => finding.check === check));
      const rows = made.map((check) => this.check(check, findings.filter((finding) => finding.check === check)));
      return table(title, [this.words.check, this.words.checked, this.words.result, this.words.findings], rows);
    };
    return [
      section(this.words.integrityHeading, report.findings.filter((finding) => !isTrust(finding))),
      section(this.words.trustHeadingResult, report.findings.filter(isTrust)),
      el("p", { class: "quiet" }, this.words.englishNote),
    ];
  }

  private check(check: Check, findings: Finding[]): (Node | string | (Node | string)[])[] {
    const worst = (["failed", "not-checked", "passed"] as const).find((status) => findings.some((finding) => finding.status === status)) ?? "passed";
    const order = [...findings].sort((a, b) => rank(a.status) - rank(b.status));
    const lines = order.slice(0, MOST_FINDINGS).map((finding) => el("li", {}, `${this.mark(finding.status)} ${displayText(finding.subject)}: ${displayText(finding.text)}`));
    const list = el("div", {}, el("ul", { lang: "en" }, ...lines), ...this.more(findings.length - MOST_FINDINGS));
    const shown = findings.length <= 2 ? list : el("details", worst === "passed" ? {} : { open: true }, el("summary", {}, this.say("findingsMany", { n: findings.length })), list);
    return [el("code", {}, check), this.words[check], el("span", { class: `status ${worst}` }, this.status(worst)), shown];
  }

  private status(status: Status): string {
    const text = { passed: this.words.statusPassed, "not-checked": this.words.statusNotChecked, failed: this.words.statusFailed }[status];
    return `${this.mark(status)} ${text}`;
  }

  private mark(status: Status): string {
    return { passed: "✓", "not-checked": "○", failed: "✕" }[status];
  }

  notProven({ checkedAt }: Shown): HTMLElement[] {
    return [
      el("h2", {}, this.words.notProvenHeading),
      el("p", {}, this.words.notProven),
      el("p", { class: "quiet" }, this.say("verifiedOn", { time: checkedAt.toISOString().replace(/\.\d+Z$/, "Z") })),
    ];
  }
}

function rank(status: Status): number {
  return { failed: 0, "not-checked": 1, passed: 2 }[status];
}

function signed(seconds: bigint): string {
  return seconds < 0n ? String(seconds) : `+${seconds}`;
}

/** A fingerprint in groups that can be read aloud. */
export function grouped(fingerprint: string): string {
  return (fingerprint.match(/.{1,8}/g) ?? []).join(" ");
}

/** SHA-256 of bytes in hexadecimal digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return toHex(primitives().sha256(bytes));
}
