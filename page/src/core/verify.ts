// The verification of one dossier by one trust file. Source: docs/spec/dossier.md, Verification.

import { textLines } from "./bytes.js";
import { checkBag } from "./bag.js";
import { problemOf, replayRegistry, type RegistryAt } from "./chain.js";
import { emptyDigests, type Digests } from "./digests.js";
import { PATHS, readIndex, readViews, type Index } from "./dossier.js";
import { checkExhibit, type ExhibitReport } from "./exhibit.js";
import { Findings, firstObstacle, verdictOf, type Finding, type Verdict } from "./findings.js";
import { proofOf } from "./merkle.js";
import { cosignatures, isNamedBy, verifyCheckpoint, type Checkpoint } from "./note.js";
import { quorumMet } from "./policy.js";
import { checkStamps, type Stamp } from "./stamps.js";
import type { Trust } from "./trust.js";
import { Archive, NotADossier, type Source } from "./zip.js";

/** The most bytes of a note. Source: docs/spec/log.md §2. */
const MAX_CHECKPOINT_BYTES = 128 * 1024;
/** The longest proof of one leaf: 63 lines of 64 digits. */
const MAX_PROOF_BYTES = 63 * 65;

/** Digests every entry and checks its CRC-32; each environment does it as fast as it can. BLAKE3 and tree may be left empty where `isExhibitFile` says no. */
export type DigestAll = (archive: Archive) => Promise<Map<string, Digests>>;

export interface Report {
  verdict: Verdict;
  /** The finding of the first check, in the order of their table, that keeps the verdict from PASSED. */
  obstacle: Finding | null;
  index: Index | null;
  treeSize: number | null;
  cosigners: string[];
  stamps: Stamp[];
  exhibits: ExhibitReport[];
  findings: Finding[];
}

/** Verifies a dossier. What does not hold is a finding; only a file that cannot be read is an error. */
export async function verify(source: Source, trust: Trust, digestAll: DigestAll): Promise<Report> {
  const verification = new Verification(trust);
  try {
    const archive = await Archive.open(source);
    const digests = await digestAll(archive);
    await verification.run(archive, digests);
  } catch (error) {
    if (!(error instanceof NotADossier)) throw error;
    verification.findings.all.length = 0;
    verification.findings.failed("DOS-01", "archive", error.message);
    verification.forget();
  }
  return verification.report();
}

class Verification {
  readonly findings = new Findings();
  private index: Index | null = null;
  private checkpoint: Checkpoint | null = null;
  private cosigners: string[] = [];
  private stamps: Stamp[] = [];
  private exhibits: ExhibitReport[] = [];

  constructor(private readonly trust: Trust) {}

  forget(): void {
    this.index = null;
    this.checkpoint = null;
    [this.cosigners, this.stamps, this.exhibits] = [[], [], []];
  }

  async run(archive: Archive, digests: Map<string, Digests>): Promise<void> {
    const text = "the entries follow each other without gap, overlap, link or second name";
    await checkBag(archive, digests, this.findings);
    this.findings.all.unshift({ check: "DOS-01", status: "passed", subject: "archive", text });
    this.index = await readIndex(archive, this.trust, this.findings);
    await this.checkLog(archive);
    if (!this.index || !this.checkpoint) return;
    const registry = await this.checkRegistry(archive, this.checkpoint);
    const payload = digests.get(PATHS.manifest)?.sha256 ?? emptyDigests().sha256;
    const context = { index: this.index, payload, checkpoint: this.checkpoint, registry, digests, trust: this.trust, stamps: this.stamps };
    for (const exhibit of this.index.exhibits) this.exhibits.push(await checkExhibit(archive, exhibit, context, this.findings));
  }

  private async checkLog(archive: Archive): Promise<void> {
    if ((archive.entries.get(PATHS.checkpoint)?.length ?? 0) > MAX_CHECKPOINT_BYTES) {
      return this.findings.failed("LOG-01", PATHS.checkpoint, `it is larger than ${MAX_CHECKPOINT_BYTES} bytes`);
    }
    const bytes = (await archive.read(PATHS.checkpoint, MAX_CHECKPOINT_BYTES)) ?? new Uint8Array();
    try {
      this.checkpoint = verifyCheckpoint(bytes, this.trust.log);
    } catch (error) {
      return this.findings.failed("LOG-01", PATHS.checkpoint, problemOf(error));
    }
    this.findings.passed("LOG-01", `checkpoint of ${this.checkpoint.size} records`, "it is signed by the log's key that this verifier pins");
    this.checkCosignatures(this.checkpoint);
    this.stamps = await checkStamps(archive, this.checkpoint, this.trust, this.findings);
  }

  /** LOG-03, the quorum that the policy demands, and LOG-04, the cosignatures beyond it. */
  private checkCosignatures(checkpoint: Checkpoint): void {
    const { policy, log } = this.trust;
    if (!policy) {
      const text = "completeness not attested: the trust file's policy demands no cosignature, so nobody but the log vouches for it";
      this.findings.notChecked("LOG-03", "policy", text);
    } else {
      let found: ReturnType<typeof cosignatures>;
      try {
        found = cosignatures(checkpoint, policy.witnesses);
      } catch (error) {
        return this.findings.failed("LOG-03", PATHS.checkpoint, problemOf(error));
      }
      this.cosigners = found.map((one) => one.key.name);
      if (quorumMet(policy, found)) {
        this.findings.passed("LOG-03", this.cosigners.join(", "), "the cosignatures that the policy demands are there");
      } else {
        this.findings.notChecked("LOG-03", "policy", "completeness not attested: the cosignatures that the policy demands are not there");
      }
      for (const witness of policy.witnesses.filter((one) => !found.some(({ key }) => key === one))) {
        this.findings.notChecked("LOG-04", witness.name, "the policy names it, and it did not cosign this checkpoint");
      }
    }
    const known = [log, ...(policy?.witnesses ?? [])];
    for (const line of checkpoint.note.signatures.filter((one) => !known.some((key) => isNamedBy(key, one)))) {
      const text = "the checkpoint bears its signature, and the trust file does not name its key: it counts for nothing";
      this.findings.notChecked("LOG-04", line.name, text);
    }
  }

  private async checkRegistry(archive: Archive, checkpoint: Checkpoint): Promise<RegistryAt> {
    const views = await readViews(archive, PATHS.registry, "TRU-01", this.findings);
    const isLarge = (archive.entries.get(PATHS.registryProof)?.length ?? 0) > MAX_PROOF_BYTES;
    const bytes = isLarge ? null : await archive.read(PATHS.registryProof, MAX_PROOF_BYTES);
    // An empty line is a proof of no hashes.
    const lines = bytes && textLines(bytes.length === 1 && bytes[0] === 10 ? new Uint8Array() : bytes);
    const proof = lines && proofOf([...lines]);
    if (!proof) this.findings.failed("TRU-01", PATHS.registryProof, "it is missing, or not one hash a line");
    return replayRegistry(views, proof ?? [], checkpoint, this.trust.pin, this.findings);
  }

  report(): Report {
    const { stampsDemanded } = this.trust;
    const verdict = verdictOf(this.findings.all, stampsDemanded);
    return {
      verdict,
      obstacle: firstObstacle(this.findings.all, verdict, stampsDemanded),
      index: this.index,
      treeSize: this.checkpoint?.size ?? null,
      cosigners: this.cosigners,
      stamps: this.stamps,
      exhibits: this.exhibits,
      findings: this.findings.all,
    };
  }
}
