// What a verifier says, one line for each check; it never stops at the first. Source: docs/spec/dossier.md, Verification.

/** The checks in the order of their table. */
export const CHECKS = [
  "DOS-01", "DOS-02", "DOS-03", "LOG-01", "LOG-02", "LOG-03", "LOG-04", "LOG-05", "LOG-06", "LOG-07", "TRU-01", "CHN-01", "CHN-02", "CHN-03",
  "CHN-04", "CHN-05", "EXH-01", "EXH-02", "EXH-03", "EXH-04",
] as const;
export type Check = (typeof CHECKS)[number];

export type Status = "passed" | "not-checked" | "failed";
export type Verdict = "PASSED" | "INDETERMINATE" | "FAILED";

export interface Finding {
  check: Check;
  status: Status;
  /** What it was about: a record's index, a file, a certificate. */
  subject: string;
  /** What was found, in a sentence. */
  text: string;
}

/** Findings as they are made, in order. */
export class Findings {
  readonly all: Finding[] = [];

  passed(check: Check, subject: string, text: string): void {
    this.all.push({ check, status: "passed", subject, text });
  }

  notChecked(check: Check, subject: string, text: string): void {
    this.all.push({ check, status: "not-checked", subject, text });
  }

  failed(check: Check, subject: string, text: string): void {
    this.all.push({ check, status: "failed", subject, text });
  }

  hasFailed(check: Check): boolean {
    return this.all.some((finding) => finding.check === check && finding.status === "failed");
  }
}

/** Whether a check that was not made stands in the way of PASSED. */
export function isDemanded(finding: Finding, stampsDemanded: boolean): boolean {
  return !["EXH-02", "LOG-04", "LOG-06"].includes(finding.check) && (finding.check !== "LOG-07" || stampsDemanded);
}

export function verdictOf(findings: Finding[], stampsDemanded: boolean): Verdict {
  if (findings.some((finding) => finding.status === "failed")) return "FAILED";
  const open = findings.some((finding) => finding.status === "not-checked" && isDemanded(finding, stampsDemanded));
  return open ? "INDETERMINATE" : "PASSED";
}

/** The finding of the first check, in the order of the table, that keeps the verdict from PASSED. */
export function firstObstacle(findings: Finding[], verdict: Verdict, stampsDemanded: boolean): Finding | null {
  if (verdict === "PASSED") return null;
  const stands = (finding: Finding): boolean =>
    verdict === "FAILED" ? finding.status === "failed" : finding.status === "not-checked" && isDemanded(finding, stampsDemanded);
  for (const check of CHECKS) {
    const found = findings.find((finding) => finding.check === check && stands(finding));
    if (found) return found;
  }
  return null;
}

/** Whether a finding is one of trust (who vouches for it?) and not of integrity (are the bytes and the chain what was signed?). */
export function isTrust(finding: Finding): boolean {
  return finding.check.startsWith("LOG") || finding.check.startsWith("TRU");
}

/** A number of things, in words that fit one as well. */
export function count(number: number, thing: string): string {
  return number === 1 ? `1 ${thing}` : `${number} ${thing}s`;
}
