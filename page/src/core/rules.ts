// Judges accepted acts by what an exhibit's own chain can answer: state, holds, handling code, consents, the second person.
// Source: docs/RULES.md. What else a rule asks for (membership, ring versions) an auditor's replay judges; here it is taken as it should be.

import { concernOf, type Collection, type Disclosure, type Erasure, type Handling } from "./body.js";
import { toHex, toUtf8 } from "./bytes.js";
import type { Intent } from "./intent.js";
import { sha256 } from "./primitives.js";
import type { Certificate } from "./trust-list.js";

/** For how long before the log's time an opening may be signed, and for how long after it, in milliseconds. */
const OLDEST_OPENING_MILLIS = 24 * 60 * 60 * 1000;
const NEWEST_OPENING_MILLIS = 10 * 60 * 1000;

const DEMANDS = {
  "REC-04": "A case is founded once.",
  "REC-05": "An exhibit is collected once; every other act names one that exists in that case.",
  "REC-06": "An opening is signed no more than 24 hours before and 10 minutes after the log's time.",
  "ACC-02": "The actor's role permits the act.",
  "ACC-04":
    "The exhibit's state permits the act: nothing is opened in quarantine or after erasure, and a restricted exhibit is opened only for prosecution, trial or the defence.",
  "ACC-06": "An exhibit of handling code H1 goes into a dossier only with the originator's consent to judicial use.",
  "ACC-07": "An exhibit of handling code H2 is passed on only with the originator's consent.",
  "ACC-08": "An exhibit under a hold is not erased.",
  "ACC-09": "Only the office that collected an exhibit consents to its use, changes its handling code or proposes its erasure.",
  "ACC-10": "A grant goes to a device in good standing that is a prosecutor's or a recovery device and a member of the case.",
  "ACC-12": "An erasure takes effect when another person than the one who proposed it confirms exactly that proposal.",
  "ACC-13": "A hold is lifted by the office that placed it.",
  "MEM-01": "The intent names exactly what the commit, its Welcome and its ring row do.",
  "RCV-01":
    "A recovery is proposed with a recovery device for a prosecutor's device of its office, in good standing and no member, in the place of a prosecutor's device of that office that was revoked or has left, and was not removed before that.",
  "SUC-01": "A successor group is the case's next generation, under the next ring version, and its record names exactly the bytes of its founding.",
} as const;
type Rule = keyof typeof DEMANDS;

export function demandOf(rule: Rule): string {
  return DEMANDS[rule];
}

interface Exhibit {
  case: string;
  state: "active" | "restricted" | "erased";
  holds: Set<string>;
  proposal: { intent: string; digest: string; person: string } | null;
  handling: Handling;
  originator: string;
  consents: Set<string>;
}

/** What the accepted acts so far have made of the exhibits that they name. */
export class ChainWorld {
  private readonly exhibits = new Map<string, Exhibit>();

  constructor(private readonly certificateOf: (id: string) => Certificate | null) {}

  /** The rule that an accepted act breaks, or null. */
  judge(intent: Intent, actor: Certificate, logMillis: number): Rule | null {
    const { act } = intent;
    if (!rolePermits(actor.role, intent)) return "ACC-02";
    switch (act.kind) {
      case "case.create":
        return "REC-04";
      case "collection":
        return this.exhibits.has(intent.exhibit ?? "") ? "REC-05" : null;
      case "member.change":
        return "MEM-01";
      case "case.recovery":
        return "RCV-01";
      case "group.succeed":
        return "SUC-01";
    }
    if (concernOf(act.kind) !== "exhibit") return null;
    const exhibit = this.exhibits.get(intent.exhibit ?? "");
    if (exhibit?.case !== intent.case) return "REC-05";
    return exhibit.state === "erased" ? "ACC-04" : this.judgeExhibit(intent, actor, logMillis, exhibit);
  }

  private judgeExhibit(intent: Intent, actor: Certificate, logMillis: number, exhibit: Exhibit): Rule | null {
    const { act } = intent;
    const byOriginator = actor.office === exhibit.originator;
    switch (act.kind) {
      case "consultation":
        return judgeOpening(intent, logMillis, exhibit);
      case "disclosure":
        return judgeOpening(intent, logMillis, exhibit) ?? this.judgeDisclosure(act.body, actor, exhibit);
      case "erasure":
        return exhibit.holds.size > 0 ? "ACC-08" : judgeErasure(act.body, actor, exhibit);
      case "hold.lift":
        return exhibit.holds.has(actor.office) ? null : "ACC-13";
      case "consent.give":
        return byOriginator ? null : "ACC-09";
      case "alteration":
        return act.body.handling === undefined || byOriginator ? null : "ACC-09";
      default:
        return null;
    }
  }

  private judgeDisclosure(body: Disclosure, actor: Certificate, exhibit: Exhibit): Rule | null {
    const travels = body.form === "grant" || body.form === "transfer";
    // What comes back by a recovery device to the office that could open it is not passed on.
    if (travels && actor.role !== "recovery" && exhibit.handling === "H2" && !exhibit.consents.has("onward")) return "ACC-07";
    if (body.form === "dossier" && exhibit.handling === "H1" && !exhibit.consents.has("judicial-use")) return "ACC-06";
    if (body.form !== "grant") return null;
    const role = this.certificateOf(body.device)?.role;
    return role === "prosecutor" || role === "recovery" ? null : "ACC-10";
  }

  /** Applies an accepted act, whatever was found of it. */
  apply(intent: Intent, actor: Certificate): void {
    const { act } = intent;
    if (intent.exhibit === null) return;
    if (act.kind === "collection") {
      if (!this.exhibits.has(intent.exhibit)) this.exhibits.set(intent.exhibit, collected(intent, act.body, actor));
      return;
    }
    const exhibit = this.exhibits.get(intent.exhibit);
    if (!exhibit) return;
    switch (act.kind) {
      case "alteration":
        exhibit.handling = act.body.handling ?? exhibit.handling;
        break;
      case "erasure":
        if (act.body.step === "confirm") exhibit.state = "erased";
        else exhibit.proposal = { intent: intent.id, digest: toHex(sha256(toUtf8(intent.text))), person: actor.person };
        break;
      case "hold.place":
        exhibit.holds.add(actor.office);
        break;
      case "hold.lift":
        exhibit.holds.delete(actor.office);
        break;
      case "restriction.place":
        if (exhibit.state === "active") exhibit.state = "restricted";
        break;
      case "restriction.lift":
        if (exhibit.state === "restricted") exhibit.state = "active";
        break;
      case "consent.give":
        exhibit.consents.add(act.body.to);
        break;
    }
  }
}

function collected(intent: Intent, body: Collection, actor: Certificate): Exhibit {
  const { handling } = body;
  return { case: intent.case, state: "active", holds: new Set(), proposal: null, handling, originator: actor.office, consents: new Set() };
}

function rolePermits(role: Certificate["role"], { act }: Intent): boolean {
  const isGrant = act.kind === "disclosure" && act.body.form === "grant";
  switch (role) {
    case "prosecutor":
      return true;
    case "auditor":
      return act.kind === "log.read";
    case "recovery":
      return isGrant || ["member.change", "group.report", "group.succeed", "case.recovery"].includes(act.kind);
    case "administrator":
      return false;
  }
}

function judgeOpening(intent: Intent, logMillis: number, exhibit: Exhibit): Rule | null {
  const late = logMillis - intent.time.millis;
  if (late < -NEWEST_OPENING_MILLIS || late > OLDEST_OPENING_MILLIS) return "REC-06";
  const evidenceOnly = ["prosecution", "trial", "defence-access"].includes(intent.purpose ?? "");
  return exhibit.state === "active" || (exhibit.state === "restricted" && evidenceOnly) ? null : "ACC-04";
}

function judgeErasure(body: Erasure, actor: Certificate, exhibit: Exhibit): Rule | null {
  if (body.step === "propose") return actor.office === exhibit.originator ? null : "ACC-09";
  const found = exhibit.proposal;
  const isThat = found && found.intent === body.proposal && found.digest === body.digest && found.person !== actor.person;
  return isThat ? null : "ACC-12";
}
