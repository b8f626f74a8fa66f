// Checks LOG-02 and CHN-01 to CHN-05: one exhibit's chain, from its collection to the dossier's own disclosure. And TRU-01: the registry.

import { Refusal, toHex } from "./bytes.js";
import { concernOf, type Collection } from "./body.js";
import { Findings } from "./findings.js";
import { parseIntent, REGISTRY, verifyIntent, type Intent, type UnverifiedIntent } from "./intent.js";
import { emptyRoot, isIncluded, leafHash } from "./merkle.js";
import type { Checkpoint } from "./note.js";
import { ChainWalk, entryOf, openRecord, type Core, type OpenedRecord, type RecordView } from "./record.js";
import { Registry, type AsOf, type Standing } from "./registry.js";
import { ChainWorld, demandOf } from "./rules.js";
import { parseTrustList, rootOf, verifyFirst, type Certificate } from "./trust-list.js";

/** What an error says that is about the input; any other is a fault of this program and goes on. */
export function problemOf(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  throw error;
}

/** The registry as it stood at every index of the log, up to the last record given. */
export class RegistryAt {
  /** Indexes in the log of the registry's records, by their number. */
  readonly indexes: bigint[] = [];

  constructor(readonly registry: Registry) {}

  certificate(id: string): Certificate | null {
    return this.registry.certificate(id);
  }

  /** What a certificate was worth for the record at an index and time of the log. */
  standing(id: string, index: number, millis: number): Standing {
    const before = this.indexes.filter((registry) => registry < BigInt(index)).length;
    return before === 0 ? "Unknown" : this.registry.standing(id, { seq: before - 1, millis });
  }
}

/** Replays the registry's chain; its last record must be in the checkpoint's tree, and links carry that back to all before. */
export function replayRegistry(views: RecordView[], proof: Uint8Array[], checkpoint: Checkpoint, pin: string, findings: Findings): RegistryAt {
  const at = new RegistryAt(new Registry(pin));
  const walk = new ChainWalk(REGISTRY);
  const own = new Findings();
  views.forEach((view, number) => {
    try {
      replayOne(at, view, walk, pin);
    } catch (error) {
      own.failed("TRU-01", `registry record ${number}`, problemOf(error));
    }
  });
  const last = views.at(-1);
  const proven =
    last !== undefined && walk.head !== null &&
    isIncluded(Number(last.index), checkpoint.size, leafHash(entryOf(walk.head)), proof, checkpoint.root);
  if (!proven) own.failed("TRU-01", "registry", "its last record is not proven to be in the log");
  if (own.all.length === 0) {
    own.passed("TRU-01", "registry", `${views.length} identity records, from the pinned trust list on, are linked and genuine`);
  }
  findings.all.push(...own.all);
  return at;
}

function replayOne(at: RegistryAt, view: RecordView, walk: ChainWalk, pin: string): void {
  const opened = openRecord(view);
  const [fault] = walk.step(view.index, opened, opened.case);
  // Where an index goes back, which fails the chain, the record still stands after the one before it.
  const before = at.indexes.at(-1) ?? 0n;
  const seq = at.indexes.push(view.index > before ? view.index : before) - 1;
  if (fault !== undefined) throw new Refusal(fault);
  if (!opened.core) throw new Refusal("its content is not given");
  if (opened.core.refusedBy !== null) return;
  const intent = parseIntent(opened.core.intent);
  // A reading of the whole log stands in this chain and says nothing of who is who.
  if (intent.claims.act.kind === "log.read") return;
  applyIdentity(at.registry, verifyIdentity(at.registry, pin, intent), { seq, millis: opened.core.millis });
}

/** Checks the signature of an identity record under the root that its header names; the act is not judged. */
function verifyIdentity(registry: Registry, pin: string, intent: UnverifiedIntent): Intent {
  const { act, signer } = intent.claims;
  if (concernOf(act.kind) !== "registry" || act.kind === "log.origin") throw new Refusal("not an identity record");
  const isFirst = act.kind === "trust.list" && registry.isEmpty;
  const list = isFirst ? verifyFirst(parseTrustList(act.body.list), pin) : registry.newestList();
  const root = list && rootOf(list, signer);
  if (!root) throw new Refusal(`signed by ${signer}, which is no root certificate of an office on the trust list`);
  return verifyIntent(intent, root.root.certificate.key);
}

function applyIdentity(registry: Registry, { act, signer }: Intent, at: AsOf): void {
  switch (act.kind) {
    case "trust.list":
      return registry.applyTrustList(act.body.list, signer, at);
    case "device.enrol":
      return registry.enrol(act.body.certificate, signer, at);
    case "device.revoke":
      return registry.revoke(act.body.device, signer, at);
    default:
      throw new Refusal("not an identity record");
  }
}

/** What a dossier gives of one exhibit's chain. */
export interface ChainInput {
  exhibit: string;
  case: string;
  origin: string;
  views: RecordView[];
  proofs: Uint8Array[][];
  /** SHA-256 of the payload manifest. */
  payload: string;
}

/** One act as it is shown to a judge; its signature verified. */
export interface ShownAct {
  core: Core;
  intent: Intent;
  certificate: Certificate;
}

export interface ChainOutput {
  acts: ShownAct[];
  /** What could be read of the records, an act or not. */
  cores: Core[];
  /** What the collection signed, as far as it was genuine. */
  collection: Collection | null;
}

/** Checks the chain record by record and never stops at the first fault. */
export function checkChain(input: ChainInput, checkpoint: Checkpoint, registry: RegistryAt, findings: Findings): ChainOutput {
  const own = new Findings();
  const walk = new ExhibitWalk(input, checkpoint, registry, own);
  if (input.views.length !== input.proofs.length) {
    own.failed("LOG-02", "chain", "the number of inclusion proofs is not that of the records");
  }
  input.views.forEach((view, number) => walk.record(view, number));
  const collection = checkEnds(input, walk.acts, own);
  checkRules(registry, walk.acts, own);
  summarise(input.views.length, own);
  findings.all.push(...own.all);
  return { acts: walk.acts, cores: walk.cores, collection };
}

class ExhibitWalk {
  readonly acts: ShownAct[] = [];
  readonly cores: Core[] = [];
  private readonly chain: ChainWalk;
  /** The root at each size that is known from the checkpoint or from what an actor had seen. */
  private readonly roots: Map<bigint, string>;
  private readonly commitments: string[] = [];

  constructor(
    private readonly input: ChainInput,
    private readonly checkpoint: Checkpoint,
    private readonly registry: RegistryAt,
    private readonly findings: Findings,
  ) {
    this.chain = new ChainWalk(input.exhibit);
    this.roots = new Map([
      [0n, toHex(emptyRoot())],
      [BigInt(checkpoint.size), toHex(checkpoint.root)],
    ]);
  }

  record(view: RecordView, number: number): void {
    const subject = `record ${view.index} (${number} of the chain)`;
    let opened: OpenedRecord;
    try {
      opened = openRecord(view);
    } catch (error) {
      return this.findings.failed("CHN-01", subject, problemOf(error));
    }
    const proof = this.input.proofs[number];
    const leaf = leafHash(entryOf(opened.commitment));
    if (!proof || !isIncluded(Number(view.index), this.checkpoint.size, leaf, proof, this.checkpoint.root)) {
      this.findings.failed("LOG-02", subject, "it is not proven to be in the log at this index");
    }
    for (const fault of this.chain.step(view.index, opened, opened.exhibit)) this.findings.failed("CHN-01", subject, fault);
    if (opened.core) {
      this.cores.push(opened.core);
      const act = this.intent(opened.core, subject);
      if (act) {
        this.seen(act, view.index, subject);
        this.acts.push(act);
      }
    } else {
      this.findings.failed("CHN-01", subject, "its content is not given");
    }
    this.commitments.push(opened.commitment);
  }

  private intent(core: Core, subject: string): ShownAct | null {
    try {
      const unverified = parseIntent(core.intent);
      const { signer } = unverified.claims;
      const certificate = this.registry.certificate(signer);
      if (!certificate) throw new Refusal(`no office announced the certificate ${signer} of its actor`);
      const intent = verifyIntent(unverified, certificate.key);
      this.judgeIntent(intent, core, subject);
      return { core, intent, certificate };
    } catch (error) {
      this.findings.failed("CHN-02", subject, problemOf(error));
      return null;
    }
  }

  private judgeIntent(intent: Intent, core: Core, subject: string): void {
    const standing = this.registry.standing(intent.signer, core.index, core.millis);
    const accepted = core.refusedBy === null;
    if (accepted && standing !== "Good") {
      this.findings.failed("CHN-02", subject, `its actor's certificate was not in good standing: ${standing}`);
    }
    // What a refused intent says was refused, perhaps for just that: it stands in the chain and proves nothing against it.
    const isHere = intent.origin === this.input.origin && intent.case === this.input.case;
    if (intent.exhibit !== this.input.exhibit || (accepted && !isHere)) {
      this.findings.failed("CHN-02", subject, "its intent is for another log, case or exhibit");
    }
  }

  /** Of an accepted act: the tree and the record that its actor had seen are of this log and this chain. */
  private seen({ core, intent }: ShownAct, index: bigint, subject: string): void {
    if (core.refusedBy !== null) return;
    const { size, root } = intent.seen;
    if (size > index || (this.roots.get(size) ?? root) !== root) {
      this.findings.failed("CHN-04", subject, "the checkpoint that its actor had seen is not one of this log");
    }
    // A tree that a record cannot have seen says nothing of the roots of others.
    if (size <= index && !this.roots.has(size)) this.roots.set(size, root);
    const { chainSeen } = intent;
    if (chainSeen && this.commitments[Number(chainSeen.seq)] !== chainSeen.commitment) {
      this.findings.failed("CHN-04", subject, "the record that its actor had seen last does not stand on this chain");
    }
  }
}

function checkEnds(input: ChainInput, acts: ShownAct[], findings: Findings): Collection | null {
  const first = acts.find((act) => act.core.refusedBy === null)?.intent.act;
  const collection = first?.kind === "collection" ? first.body : null;
  const last = acts.at(-1);
  const act = last?.core.refusedBy === null ? last.intent.act : null;
  if (!collection) findings.failed("CHN-03", "chain", "its first accepted record is not the collection of the exhibit");
  if (!(act?.kind === "disclosure" && act.body.form === "dossier" && act.body.payload === input.payload)) {
    const text = "its last record is not the disclosure of this payload: records are missing at the end, or the payload was changed";
    findings.failed("CHN-03", "chain", text);
  }
  return collection;
}

function checkRules(registry: RegistryAt, acts: ShownAct[], findings: Findings): void {
  const world = new ChainWorld((id) => registry.certificate(id));
  for (const { core, intent, certificate } of acts) {
    if (core.refusedBy !== null) continue;
    const rule = world.judge(intent, certificate, core.millis);
    if (rule) findings.failed("CHN-05", `record ${core.index}`, `it was accepted against rule ${rule}: ${demandOf(rule)}`);
    world.apply(intent, certificate);
  }
}

const SUMMARY = {
  "LOG-02": "every record is in the log at its index",
  "CHN-01": "the records are linked without a gap, in the order of index and time",
  "CHN-02": "every act is signed by a device that an office announced and that was in good standing",
  "CHN-03": "the chain begins with the collection and ends with the disclosure of this payload",
  "CHN-04": "what each actor had seen of log and chain agrees with them",
  "CHN-05": "every act was allowed by the state, holds, handling code and consents that the chain shows",
} as const;

/** Says of each check without a failure that it passed. */
function summarise(records: number, findings: Findings): void {
  for (const check of Object.keys(SUMMARY) as (keyof typeof SUMMARY)[]) {
    if (!findings.hasFailed(check)) findings.passed(check, `${records} records`, SUMMARY[check]);
  }
}
