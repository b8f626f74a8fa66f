// Trust policies: whose cosignatures a checkpoint needs. Source: C2SP tlog-policy; docs/spec/log.md §6.

import { byteLength, decimal, equal, Refusal } from "./bytes.js";
import { parseVkey, type Cosignature, type VerifierKey } from "./note.js";

const MAX_POLICY_BYTES = 64 * 1024;
const MAX_DEFINITIONS = 64;

type Member = { witness: VerifierKey } | { group: Group };
interface Group {
  threshold: number;
  members: Member[];
}

export interface Policy {
  witnesses: VerifierKey[];
  /** Who must have cosigned; null for `quorum none`. */
  quorum: Member | null;
}

/** Reads a policy; the first wrong line is named. */
export function parsePolicy(text: string): Policy {
  if (byteLength(text) > MAX_POLICY_BYTES) throw new Refusal(`policy file is over the limit of ${MAX_POLICY_BYTES} bytes`);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) {
    throw new Refusal("malformed policy file: it has a control character other than tab and newline");
  }
  if (!text.endsWith("\n")) throw new Refusal("malformed policy file: it does not end with a newline");
  const reader = new PolicyReader();
  text
    .slice(0, -1)
    .split("\n")
    .forEach((line, at) => {
      try {
        reader.line(line.split(/[ \t]+/).filter((word) => word !== ""));
      } catch (error) {
        throw error instanceof Refusal ? new Refusal(`policy file, line ${at + 1}: ${error.message}`) : error;
      }
    });
  if (reader.quorum === undefined) throw new Refusal("malformed policy file: it has no quorum line");
  return { witnesses: reader.witnesses, quorum: reader.quorum };
}

class PolicyReader {
  readonly witnesses: VerifierKey[] = [];
  quorum: Member | null | undefined;
  private readonly logs: VerifierKey[] = [];
  private readonly names = new Map<string, Member>();
  private readonly grouped = new Set<Member>();
  private groups = 0;

  line(words: string[]): void {
    const [first, ...rest] = words;
    if (first === undefined || first.startsWith("#")) return;
    const few = new Refusal("the line has too few or too many words");
    switch (first) {
      case "log":
        if (rest.length < 1 || rest.length > 2) throw few;
        return this.log(rest[0] as string);
      case "witness":
        if (rest.length < 2 || rest.length > 3) throw few;
        return this.witness(rest[0] as string, rest[1] as string);
      case "group":
        if (rest.length < 2) throw few;
        return this.group(rest[0] as string, rest[1] as string, rest.slice(2));
      case "quorum":
        if (rest.length !== 1) throw few;
        return this.setQuorum(rest[0] as string);
      default:
        throw new Refusal("the line begins with none of log, witness, group, quorum");
    }
  }

  private log(text: string): void {
    const key = parseVkey(text, 1);
    if (this.logs.some((log) => equal(log.key, key.key))) throw new Refusal("a log of the same public key is defined above");
    if (this.logs.push(key) > MAX_DEFINITIONS) throw new Refusal("there are more than 64 logs");
  }

  private witness(name: string, text: string): void {
    this.checkNewName(name);
    const key = parseVkey(text, 4);
    if (this.witnesses.some((one) => equal(one.key, key.key))) throw new Refusal("a witness of the same public key is defined above");
    if (this.witnesses.push(key) > MAX_DEFINITIONS) throw new Refusal("there are more than 64 witnesses");
    this.names.set(name, { witness: key });
  }

  private group(name: string, threshold: string, names: string[]): void {
    this.checkNewName(name);
    if (names.length === 0) throw new Refusal("the group has no members");
    if (++this.groups > MAX_DEFINITIONS) throw new Refusal("there are more than 64 groups");
    const members = names.map((one) => {
      const member = this.names.get(one);
      if (!member) throw new Refusal("a member is not defined above");
      if (this.grouped.has(member)) throw new Refusal("a member is in a group already");
      this.grouped.add(member);
      return member;
    });
    const needed = threshold === "all" ? members.length : threshold === "any" ? 1 : Number(decimal(threshold) ?? 0n);
    if (needed < 1 || needed > members.length) {
      throw new Refusal("the threshold is not all, any, or a decimal from 1 to the number of members");
    }
    this.names.set(name, { group: { threshold: needed, members } });
  }

  private setQuorum(name: string): void {
    if (this.quorum !== undefined) throw new Refusal("there is a quorum line above");
    const member = name === "none" ? null : this.names.get(name);
    if (member === undefined) throw new Refusal("the quorum is not defined above");
    this.quorum = member;
  }

  private checkNewName(name: string): void {
    if (name === "none") throw new Refusal("the name none is predefined");
    if (this.names.has(name)) throw new Refusal("the name is defined above");
  }
}

/** Whether these cosignatures, all of one checkpoint, make the quorum. */
export function quorumMet(policy: Policy, cosignatures: Cosignature[]): boolean {
  const isMet = (member: Member): boolean =>
    "witness" in member
      ? cosignatures.some((one) => one.key === member.witness)
      : member.group.members.filter(isMet).length >= member.group.threshold;
  return policy.quorum === null || isMet(policy.quorum);
}
