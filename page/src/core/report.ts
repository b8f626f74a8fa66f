// The report as JSON, as every verifier gives it. Source: docs/spec/dossier.md, Report as JSON; docs/schema/verify.json.

import { parse, plain } from "./json.js";
import type { ReportedAct } from "./exhibit.js";
import { count } from "./findings.js";
import type { Stamp } from "./stamps.js";
import { showMillis } from "./time.js";
import type { Report } from "./verify.js";

/** The verdict and its ground in one English sentence, as the binary says it. */
export function sentence(report: Report): string {
  if (report.verdict === "PASSED") {
    const upTo = Math.max((report.treeSize ?? 0) - 1, 0);
    const exhibits = count(report.exhibits.length, "exhibit");
    return `PASSED: the custody of ${exhibits} is complete and genuine up to record ${upTo} of the log, attested by ${report.cosigners.join(", ")}.`;
  }
  const { obstacle } = report;
  if (!obstacle) return `${report.verdict}: nothing was checked.`;
  return `${report.verdict}: ${obstacle.text.replace(/\.+$/, "")} (${obstacle.check}, ${obstacle.subject}).`;
}

function actJson({ core, intent, certificate, stated, time }: ReportedAct): unknown {
  const bound = (stamp: Stamp | null, millis: number | undefined): unknown =>
    stamp && { time: showMillis(millis as number), authority: stamp.authority, size: stamp.size };
  return {
    index: core.index,
    time: showMillis(core.millis),
    kind: intent.act.kind,
    refused_by: core.refusedBy,
    person: certificate.person,
    name: certificate.name,
    certificate: intent.signer,
    purpose: intent.purpose,
    recipients: intent.recipients,
    claimed_time: intent.time.text,
    stated,
    time_is: time.is,
    after: bound(time.after, time.after?.earliest),
    before: bound(time.before, time.before?.latest),
  };
}

export function reportJson(report: Report): unknown {
  const { index } = report;
  return {
    verdict: report.verdict,
    first: report.obstacle?.check ?? null,
    sentence: sentence(report),
    tree_size: report.treeSize,
    cosigners: report.cosigners,
    stamps: report.stamps.map(({ earliest, latest, ...stamp }) => ({ ...stamp, earliest: showMillis(earliest), latest: showMillis(latest) })),
    dossier: index && { ...index, made: index.made.text },
    exhibits: report.exhibits.map((exhibit) => ({
      exhibit: exhibit.id,
      manifest: exhibit.manifestJson && plain(parse(exhibit.manifestJson)),
      custody: exhibit.acts.map(actJson),
    })),
    findings: report.findings,
  };
}
