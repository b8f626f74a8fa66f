// The registry: trust lists, enrolments and revocations in the order of their records, and what held when. Source: docs/spec/identity.md §6.

import { Refusal, toHex } from "./bytes.js";
import { parseDevice } from "./certificate.js";
import { sha256 } from "./primitives.js";
import { certify, inForce, parseTrustList, rootOf, verifyFirst, verifySuccessor, type Certificate, type TrustList } from "./trust-list.js";

/** How far a trust list's `issued` may lie after the time of its record, in milliseconds. */
const ISSUED_AHEAD_MILLIS = 5 * 60 * 1000;

/** All records up to and with number `seq`, at a time of the log. */
export interface AsOf {
  seq: number;
  millis: number;
}

export type Standing =
  | "Good" | "Unknown" | "Revoked" | "OfficeRemoved" | "RootNotInForce" | "RoleWithdrawn" | "NotYetValid" | "Expired";

interface Device {
  certificates: string[];
  /** Number of the record that revoked it. */
  revoked: number | null;
}

export class Registry {
  private last: AsOf | null = null;
  private readonly lists: { since: number; list: TrustList }[] = [];
  private readonly enrolled = new Map<string, { certificate: Certificate; since: number }>();
  private readonly devices = new Map<string, Device>();
  private readonly keys = new Map<string, string>();

  constructor(private readonly pin: string) {}

  /** The newest trust list, if any record was accepted. */
  newestList(): TrustList | null {
    return this.lists.at(-1)?.list ?? null;
  }

  get isEmpty(): boolean {
    return this.last === null;
  }

  certificate(id: string): Certificate | null {
    return this.enrolled.get(id)?.certificate ?? null;
  }

  private checkOrder(at: AsOf): void {
    if (this.last && !(this.last.seq < at.seq && this.last.millis <= at.millis)) throw new Refusal("an identity record came out of order");
  }

  /** Takes in a trust list, brought by a record that the root `signer` signed. */
  applyTrustList(text: string, signer: string, at: AsOf): void {
    const parsed = parseTrustList(text);
    this.checkOrder(at);
    const before = this.newestList();
    const list = before ? verifySuccessor(parsed, before) : verifyFirst(parsed, this.pin);
    if (list.issued.millis > at.millis + ISSUED_AHEAD_MILLIS) throw new Refusal("refused by IDN-04");
    const bringer = rootOf(before ?? list, signer);
    if (!bringer || !inForce(bringer.root, at.millis)) throw new Refusal("refused by IDN-14");
    this.lists.push({ since: at.seq, list });
    this.last = at;
  }

  /** Takes in a certificate, enrolled by a record that the root `signer` signed. */
  enrol(der: Uint8Array, signer: string, at: AsOf): void {
    const parsed = parseDevice(der);
    this.checkOrder(at);
    const list = this.newestList();
    if (!list) throw new Refusal("refused by IDN-06");
    const certificate = certify(list, parsed, at.millis);
    this.checkSigner(list, certificate.office, signer, at);
    if (this.enrolled.has(certificate.id)) throw new Refusal("refused by IDN-13");
    const device = this.devices.get(certificate.device);
    if (device) {
      if (device.revoked !== null) throw new Refusal("refused by IDN-12");
      const holders = device.certificates.map((id) => this.certificate(id) as Certificate);
      const same = (one: Certificate): boolean =>
        one.person === certificate.person && one.role === certificate.role && one.country === certificate.country;
      if (!holders.every(same)) throw new Refusal("refused by IDN-10");
    }
    const keys = [certificate.key, certificate.sealingKey].flatMap((key) => (key ? [toHex(sha256(key))] : []));
    const isFree = (key: string): boolean => (this.keys.get(key) ?? certificate.device) === certificate.device;
    const text = toHex(certificate.key);
    const ofRoot = list.offices.some((office) => office.roots.some((root) => toHex(root.certificate.key) === text));
    if (ofRoot || !keys.every(isFree)) throw new Refusal("refused by IDN-11");
    this.last = at;
    for (const key of keys) this.keys.set(key, certificate.device);
    if (device) device.certificates.push(certificate.id);
    else this.devices.set(certificate.device, { certificates: [certificate.id], revoked: null });
    this.enrolled.set(certificate.id, { certificate, since: at.seq });
  }

  /** Revokes a device with all its certificates, by a record that the root `signer` signed. */
  revoke(id: string, signer: string, at: AsOf): void {
    this.checkOrder(at);
    const device = this.devices.get(id);
    const certificate = device && this.certificate(device.certificates.at(-1) as string);
    if (!device || !certificate) throw new Refusal("refused by IDN-13");
    const list = this.newestList();
    if (!list) throw new Refusal("refused by IDN-09");
    this.checkSigner(list, certificate.office, signer, at);
    if (device.revoked !== null) throw new Refusal("refused by IDN-13");
    device.revoked = at.seq;
    this.last = at;
  }

  private checkSigner(list: TrustList, office: string, signer: string, at: AsOf): void {
    const found = rootOf(list, signer);
    if (!found || found.office.id !== office || !inForce(found.root, at.millis)) throw new Refusal("refused by IDN-09");
  }

  /** What a certificate is worth as of a moment: the first that fits. */
  standing(id: string, at: AsOf): Standing {
    const enrolled = this.enrolled.get(id);
    if (!enrolled || enrolled.since > at.seq) return "Unknown";
    const { certificate } = enrolled;
    const revoked = this.devices.get(certificate.device)?.revoked ?? null;
    if (revoked !== null && revoked <= at.seq) return "Revoked";
    const list = this.lists.filter((one) => one.since <= at.seq).at(-1)?.list;
    const office = list?.offices.find((one) => one.id === certificate.office && one.country === certificate.country);
    if (!office) return "OfficeRemoved";
    if (!office.roots.some((root) => root.certificate.id === certificate.root && inForce(root, at.millis))) return "RootNotInForce";
    if (!office.roles.includes(certificate.role)) return "RoleWithdrawn";
    const second = Math.floor(at.millis / 1000) * 1000;
    if (second < certificate.notBefore) return "NotYetValid";
    return second > certificate.notAfter ? "Expired" : "Good";
  }
}
