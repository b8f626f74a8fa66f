// The bag (RFC 8493): its declaration, and every payload and tag file listed once with its SHA-256. Check DOS-02.

import { byBytes, equal, isDigest, textLines, toUtf8 } from "./bytes.js";
import type { Digests } from "./digests.js";
import { MAX_TEXT_BYTES, MOST_FAULTS, PATHS } from "./dossier.js";
import { count, type Findings } from "./findings.js";
import type { Archive } from "./zip.js";

const DECLARATION = toUtf8("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");

/** Compares the bag's declaration and lists with what is there. */
export async function checkBag(archive: Archive, digests: Map<string, Digests>, findings: Findings): Promise<void> {
  const declaration = await archive.read(PATHS.bagit, MAX_TEXT_BYTES);
  if (!declaration || !equal(declaration, DECLARATION)) {
    findings.failed("DOS-02", PATHS.bagit, "it does not declare a bag of version 1.0 in UTF-8");
  }
  const isPayload = (name: string): boolean => name.startsWith("data/");
  await compareList(archive, PATHS.manifest, digests, isPayload, findings);
  await compareList(archive, PATHS.tagManifest, digests, (name) => !isPayload(name) && name !== PATHS.tagManifest, findings);
  if (findings.all.length === 0) {
    findings.passed("DOS-02", count(digests.size, "file"), "every file is listed once with its SHA-256, none is missing or extra");
  }
}

async function compareList(
  archive: Archive,
  list: string,
  digests: Map<string, Digests>,
  covers: (name: string) => boolean,
  findings: Findings,
): Promise<void> {
  const bytes = await archive.read(list, MAX_TEXT_BYTES);
  if (!bytes) return findings.failed("DOS-02", list, "the list is missing");
  const lines = textLines(bytes);
  if (!lines) return findings.failed("DOS-02", list, "the list is not UTF-8, or its last line does not end");
  const listed = new Set<string>();
  for (const line of lines) {
    if (findings.all.length >= MOST_FAULTS) return;
    const space = line.indexOf("  ");
    const [digest, name] = [line.slice(0, Math.max(space, 0)), line.slice(space + 2)];
    if (space < 0 || !isDigest(digest)) {
      findings.failed("DOS-02", list, `a line is not a digest, two spaces and a name: ${JSON.stringify(line)}`);
      continue;
    }
    if (!covers(name) || listed.has(name)) findings.failed("DOS-02", name, `${list} names it twice, or it does not belong there`);
    if (covers(name)) listed.add(name);
    const found = digests.get(name);
    if (!found) findings.failed("DOS-02", name, `${list} names it, and it is missing`);
    else if (found.sha256 !== digest) findings.failed("DOS-02", name, `its SHA-256 is not the one in ${list}`);
  }
  for (const name of [...digests.keys()].filter((one) => covers(one) && !listed.has(one)).sort(byBytes).slice(0, MOST_FAULTS)) {
    findings.failed("DOS-02", name, `it is not listed in ${list}`);
  }
}
