"""docs/spec/identity.md: certificates, device requests, trust lists, the registry."""

import re
import unicodedata
from datetime import datetime, timezone

from . import der, jws
from .common import (
    Refused, array, b64, b64url, check_signature, compact, digest, hex_id, integer, members, need, one_encoding, one_of, public_key, rfc3339, sha256,
    unb64, unb64url,
)

ARC = "1.3.6.1.4.1.32473"
ROLES = {"prosecutor": 1, "auditor": 2, "recovery": 3, "administrator": 4}
ED25519 = "1.3.101.112"
DAY = 86_400_000
HIDDEN = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF),
]


# Names.


def office_id(value):
    need(isinstance(value, str) and re.fullmatch("[a-z][a-z0-9.-]{0,31}", value), "not an office id")
    return value


def local_id(value):
    need(isinstance(value, str) and re.fullmatch("[a-z0-9][a-z0-9.-]{0,31}", value), "not a local id")
    return value


def person_id(value):
    need(isinstance(value, str) and value.count("/") == 1, "not a person id")
    office, local = value.split("/")
    return office_id(office), local_id(local)


def country(value):
    need(isinstance(value, str) and re.fullmatch("[A-Z]{2}", value), "not a country")
    return value


def shown(value, most):
    need(isinstance(value, str) and 1 <= len(value) <= most, f"not 1 to {most} characters")
    for c in value:
        code = ord(c)
        bad = unicodedata.category(c) in ("Cc", "Co", "Zl", "Zp") or c.isspace() and c != " "
        bad = bad or any(a <= code <= b for a, b in HIDDEN) or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        need(not bad, "a character that does not show")
    need(value == value.strip(" ") and "  " not in value, "a space at an end, or two in a row")
    return value


# Certificates.


def key_identifier(public):
    return sha256(public)[:20]


def moment(kind, content):
    """Milliseconds since 1970: UTCTime up to 2049, GeneralizedTime from 2050."""
    value = content.decode("latin-1")
    need(re.fullmatch("[0-9]{12}Z" if kind == der.UTC else "[0-9]{14}Z", value) and kind in (der.UTC, der.GENERALIZED), "not a time")
    if kind == der.UTC:
        value = ("19" if value >= "50" else "20") + value
    need(kind == der.UTC or value >= "2050", "a time before 2050 that is not UTCTime")
    try:
        return int(datetime.strptime(value, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()) * 1000
    except ValueError:
        raise Refused("no such time") from None


def name(content, wanted):
    """The texts of a name whose attributes are `wanted`: pairs of OID and tag, one to each relative name, in order."""
    relative = der.each(content, der.SET)
    need(len(relative) == len(wanted), "another number of attributes")
    texts = []
    for (_, inner, _), (oid, tag) in zip(relative, wanted):
        attribute = der.whole(inner, der.SEQUENCE)
        _, found, rest = der.one(attribute, der.OID)
        need(der.oid(found) == oid, "another attribute")
        kind, value, rest = der.one(rest)
        need(kind == tag and not rest, "another kind of text")
        texts.append(der.text(kind, value))
    return texts


C, O, OU, CN, UID, SERIAL = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3", "0.9.2342.19200300.100.1.1", "2.5.4.5"
ROOT_NAME = [(C, der.PRINTABLE), (O, der.UTF8), (CN, der.UTF8)]
DEVICE_NAME = [(C, der.PRINTABLE), (O, der.UTF8), (OU, der.UTF8), (CN, der.UTF8), (UID, der.UTF8), (SERIAL, der.PRINTABLE)]
BASIC, USAGE, SUBJECT_KEY, AUTHORITY_KEY, EXTENDED = "2.5.29.19", "2.5.29.15", "2.5.29.14", "2.5.29.35", "2.5.29.37"
SEALING = ARC + ".2.1"
ALGORITHM = der.put(der.SEQUENCE, der.put_oid(ED25519))


class Certificate:
    """What is common to both forms."""

    def __init__(self, data):
        need(len(data) <= 4096, "too long for a certificate")
        self.der, self.id = data, sha256(data)
        outer = der.each(der.whole(data, der.SEQUENCE))
        need(len(outer) == 3 and outer[1][2] == ALGORITHM, "not a certificate signed by Ed25519")
        self.tbs = outer[0][2]
        self.signature = self.bits(outer[2][2])
        fields = der.each(der.whole(self.tbs, der.SEQUENCE))
        need(len(fields) == 8, "another number of fields")
        version, serial, algorithm, issuer, validity, subject, key, extensions = (whole for _, _, whole in fields)
        need(version == bytes.fromhex("a003020102"), "not version 3")
        number = der.whole(serial, der.INTEGER)
        need(len(number) == 16 and 0x40 <= number[0] <= 0x7F, "not a serial number of 16 bytes from 40 to 7f on")
        need(algorithm == ALGORITHM, "another algorithm inside")
        self.issuer, self.subject = issuer, subject
        ends = der.each(der.whole(validity, der.SEQUENCE))
        need(len(ends) == 2, "not a validity")
        self.not_before, self.not_after = (moment(kind, content) for kind, content, _ in ends)
        need(self.not_before <= self.not_after, "ends before it begins")
        pieces = der.each(der.whole(key, der.SEQUENCE))
        need(len(pieces) == 2 and pieces[0][2] == ALGORITHM, "not an Ed25519 key")
        self.public = public_key(self.bits(pieces[1][2]))
        self.extensions = {}
        for _, content, _ in der.each(der.whole(der.whole(extensions, 0xA3), der.SEQUENCE), der.SEQUENCE):
            parts = der.each(content)
            critical = len(parts) == 3
            need(2 <= len(parts) <= 3 and (not critical or parts[1][2] == b"\x01\x01\xff"), "not an extension")
            need(parts[0][0] == der.OID and parts[-1][0] == der.OCTETS, "not an extension")
            oid = der.oid(parts[0][1])
            need(oid not in self.extensions, "an extension twice")
            self.extensions[oid] = (critical, parts[-1][1])
        need(self.extension(SUBJECT_KEY, False) == der.put(der.OCTETS, key_identifier(self.public)), "a key identifier of another key")

    @staticmethod
    def bits(data):
        content = der.whole(data, der.BITS)
        need(content[:1] == b"\0", "not whole bytes")
        return content[1:]

    def extension(self, oid, critical):
        need(oid in self.extensions, f"extension {oid} is missing")
        found, content = self.extensions[oid]
        need(found == critical, f"extension {oid} is critical or not")
        return content

    def no_other_critical(self, known):
        need(not any(critical and oid not in known for oid, (critical, _) in self.extensions.items()), "an unknown critical extension")

    def verify(self, public):
        check_signature(public, self.signature, self.tbs)


class Root(Certificate):
    def __init__(self, data):
        super().__init__(data)
        need(self.issuer == self.subject, "not issued by itself")
        found = name(der.whole(self.subject, der.SEQUENCE), ROOT_NAME)
        self.country, self.office, self.name = country(found[0]), office_id(found[1]), shown(found[2], 64)
        need(self.not_after - self.not_before <= 7305 * DAY, "more than 20 years")
        need(self.extension(BASIC, True) == bytes.fromhex("30060101ff020100"), "not an authority with nothing under it")
        need(self.extension(USAGE, True) == bytes.fromhex("03020284"), "not exactly digitalSignature and keyCertSign")
        need(EXTENDED not in self.extensions and SEALING not in self.extensions, "a role or sealing key")
        self.no_other_critical((BASIC, USAGE, SUBJECT_KEY))
        self.verify(self.public)


class Device(Certificate):
    def __init__(self, data):
        super().__init__(data)
        found = name(der.whole(self.subject, der.SEQUENCE), DEVICE_NAME)
        self.country, self.office = country(found[0]), office_id(found[1])
        self.label, self.name, self.local = shown(found[2], 32), shown(found[3], 64), local_id(found[4])
        self.device = hex_id(found[5])
        need(self.not_after - self.not_before <= 397 * DAY, "more than 397 days")
        need(self.extension(BASIC, True) == bytes.fromhex("3000"), "an authority")
        need(self.extension(USAGE, True) == bytes.fromhex("03020780"), "not exactly digitalSignature")
        purposes = der.each(der.whole(self.extension(EXTENDED, True), der.SEQUENCE), der.OID)
        role = der.oid(purposes[0][1]) if len(purposes) == 1 else ""
        roles = {f"{ARC}.1.{number}": role for role, number in ROLES.items()}
        need(role in roles, "not exactly one role")
        self.role = roles[role]
        authority = der.each(der.whole(self.extension(AUTHORITY_KEY, False), der.SEQUENCE))
        need(len(authority) == 1 and authority[0][0] == 0x80 and len(authority[0][1]) == 20, "not the key identifier of a root alone")
        self.issuer_key = authority[0][1]
        self.sealing = None
        if SEALING in self.extensions:
            self.sealing = der.whole(self.extension(SEALING, False), der.OCTETS)
            need(len(self.sealing) == 1216, "not a sealing key of 1216 bytes")
        need(self.sealing or self.role == "administrator", "no sealing key")
        self.no_other_critical((BASIC, USAGE, EXTENDED))

    @property
    def person(self):
        return self.office, self.local


# Device requests.


class Request:
    def __init__(self, text):
        statement = jws.Compact(text, "custodia-device-request+jws", 8192)
        said = members(one_encoding(statement.payload), "v device person name label role key sealing_key time")
        need(said["v"] == 1 and type(said["v"]) is int, "not version 1")
        hex_id(said["device"])
        person_id(said["person"])
        shown(said["name"], 64)
        shown(said["label"], 32)
        one_of(said["role"], ROLES)
        public = public_key(unb64url(said["key"]))
        if said["sealing_key"] is None:
            need(said["role"] == "administrator", "no sealing key")
        else:
            need(len(unb64url(said["sealing_key"])) == 1216, "not a sealing key")
        rfc3339(said["time"])
        need(statement.signer == sha256(public), "the header names another key")
        statement.verify(public)
        self.fingerprint = sha256(text.encode())


# Trust lists.


class OfficeOfList:
    def __init__(self, said):
        members(said, "id name country roles roots supervises")
        self.id, self.name, self.country = office_id(said["id"]), shown(said["name"], 64), country(said["country"])
        self.roles = [one_of(role, ROLES) for role in array(said["roles"], 1)]
        self.supervises = [office_id(one) for one in array(said["supervises"])]
        need(len(set(self.roles)) == len(self.roles) and len(set(self.supervises)) == len(self.supervises), "a role or office twice")
        need(not self.supervises or "auditor" in self.roles, "supervises without auditors")
        self.roots = []
        for one in array(said["roots"], 1, 4):
            members(one, "certificate from until")
            root, start, end = Root(unb64(one["certificate"])), rfc3339(one["from"]), rfc3339(one["until"])
            need((root.office, root.name, root.country) == (self.id, self.name, self.country), "a root of another office, name or country")
            need(start < end and root.not_before <= start and end <= root.not_after, "in force beyond the validity, or never")
            self.roots.append((root, start, end))


class TrustList:
    """A list, read; nobody has judged its signatures."""

    def __init__(self, text):
        need(len(text.encode()) <= 512 * 1024, "too long for a trust list")
        form = members(one_encoding(text.encode()), "payload signatures")
        payload = unb64url(form["payload"])
        need(len(payload) <= 256 * 1024, "the payload is too long")
        self.signatures = []
        for one in array(form["signatures"], 0, 64):
            members(one, "protected signature")
            signer = jws.read_header(unb64url(one["protected"]), "custodia-trust-list+jws")
            signature = unb64url(one["signature"])
            need(len(signature) == 64, "not a signature of 64 bytes")
            self.signatures.append((signer, signature, (one["protected"] + "." + form["payload"]).encode()))
        self.digest = sha256(payload)
        said = members(one_encoding(payload), "v number previous issued threshold offices")
        need(said["v"] == 1 and type(said["v"]) is int, "not version 1")
        self.number = integer(said["number"])
        need(1 <= self.number < 1 << 53 and (self.number == 1) == (said["previous"] is None), "number and list before do not fit")
        self.previous = said["previous"] and digest(said["previous"])
        self.issued = rfc3339(said["issued"])
        self.offices = [OfficeOfList(one) for one in array(said["offices"], 1, 64)]
        self.threshold = integer(said["threshold"])
        need(1 <= self.threshold <= len(self.offices), "a threshold that cannot be met, or none")
        ids = [office.id for office in self.offices]
        keys = [root.public for office in self.offices for root, _, _ in office.roots]
        need(len(set(ids)) == len(ids) and len(set(keys)) == len(keys), "an office or root twice")
        need(all(one in ids for office in self.offices for one in office.supervises), "supervises an office that is not on the list")

    def root(self, root_id, at):
        """The office and root of that id, in force then."""
        for office in self.offices:
            for root, start, end in office.roots:
                if root.id == root_id and start <= at < end:
                    return office, root
        raise Refused("no root in force of that id")

    def signed_by(self, deciding):
        offices = []
        for signer, signature, signed in self.signatures:
            office, root = deciding.root(signer, self.issued)
            check_signature(root.public, signature, signed)
            need(office.id not in offices, "signed twice by one office")
            offices.append(office.id)
        need(len(offices) >= deciding.threshold, "too few signatures")

    def verify_first(self, pin):
        need(self.number == 1 and self.digest == pin, "not the pinned list")
        self.signed_by(self)

    def verify_successor(self, before):
        need(self.number == before.number + 1 and self.previous == before.digest and self.issued >= before.issued, "does not follow")
        self.signed_by(before)

    def certify(self, device, at):
        offices = [office for office in self.offices if office.id == device.office]
        need(offices, "the office is not on the list")
        office = offices[0]
        roots = [
            root for root, start, end in office.roots
            if start <= at < end and root.subject == device.issuer and key_identifier(root.public) == device.issuer_key
        ]
        need(roots, "not issued by a root in force of its office")
        root = roots[0]
        device.verify(root.public)
        for one in (root, device):
            need(one.not_before <= at // 1000 * 1000 <= one.not_after, "outside a validity")
        need(device.country == office.country and device.role in office.roles, "another country, or a role that the office does not give")
        return root


# The registry.


class Registry:
    """The chain of identity records, accepted ones applied in order."""

    def __init__(self, pin):
        self.pin, self.lists, self.enrolled, self.revoked = pin, [], {}, {}

    def root_for(self, signer, at, listed=None):
        need(listed or self.lists, "no list yet")
        return (listed or self.lists[-1][0]).root(signer, at)

    def apply(self, intent, number, at):
        """`intent` is one of the registry's kinds, accepted at `at` with sequence number `number`; its signature is checked here."""
        body = intent.body
        if intent.kind == "trust.list":
            new = TrustList(body["list"])
            new.verify_successor(self.lists[-1][0]) if self.lists else new.verify_first(self.pin)
            _, root = self.root_for(intent.signer, at, None if self.lists else new)
            intent.jws.verify(root.public)
            need(new.issued <= at + 300_000, "issued more than five minutes after its record")
            self.lists.append((new, number))
            return
        office, root = self.root_for(intent.signer, at)
        intent.jws.verify(root.public)
        if intent.kind == "device.enrol":
            device = Device(unb64(body["certificate"]))
            self.lists[-1][0].certify(device, at)
            need(device.office == office.id, "enrolled by another office")
            need(device.id not in self.enrolled, "enrolled before")
            need(device.device not in self.revoked, "the device is revoked")
            for other, _ in self.enrolled.values():
                if other.device == device.device:
                    need((other.person, other.role, other.country) == (device.person, device.role, device.country), "the device was another's")
                else:
                    need(other.public != device.public and (device.sealing is None or other.sealing != device.sealing), "a key of another device")
            self.enrolled[device.id] = (device, number)
        elif intent.kind == "device.revoke":
            device = hex_id(body["device"])
            known = [one for one, _ in self.enrolled.values() if one.device == device]
            need(known and device not in self.revoked, "not enrolled, or revoked already")
            need(known[0].office == office.id, "revoked by another office")
            self.revoked[device] = number
        else:
            raise Refused("not an act of the registry")

    def standing(self, certificate, number, at):
        """Good, as of a sequence number and a time; or refused."""
        need(certificate in self.enrolled and self.enrolled[certificate][1] <= number, "unknown")
        device = self.enrolled[certificate][0]
        need(self.revoked.get(device.device, number + 1) > number, "revoked")
        listed = [one for one, since in self.lists if since <= number][-1]
        office = next((one for one in listed.offices if (one.id, one.country) == (device.office, device.country)), None)
        need(office, "office removed")
        issued = [
            root for root, start, end in office.roots
            if start <= at < end and root.subject == device.issuer and key_identifier(root.public) == device.issuer_key
        ]
        need(issued, "root not in force")
        need(device.role in office.roles, "role withdrawn")
        need(device.not_before <= at // 1000 * 1000 <= device.not_after, "not yet valid, or expired")
        return device


# Writing.


def attribute(oid, tag, value):
    return der.put(der.SET, der.put(der.SEQUENCE, der.put_oid(oid), der.put(tag, value.encode())))


def put_name(wanted, texts):
    return der.put(der.SEQUENCE, *(attribute(oid, tag, value) for (oid, tag), value in zip(wanted, texts)))


def put_time(text):
    digits = re.sub("[^0-9]", "", text)
    return der.put(der.UTC, digits[2:].encode() + b"Z") if text < "2050" else der.put(der.GENERALIZED, digits.encode() + b"Z")


def put_extension(oid, critical, content):
    return der.put(der.SEQUENCE, der.put_oid(oid), b"\x01\x01\xff" if critical else b"", der.put(der.OCTETS, content))


def write_certificate(serial, issuer, start, end, subject, public, extensions, issuer_key):
    tbs = der.put(
        der.SEQUENCE, bytes.fromhex("a003020102"), der.put(der.INTEGER, serial), ALGORITHM, issuer, der.put(der.SEQUENCE, put_time(start), put_time(end)),
        subject, der.put(der.SEQUENCE, ALGORITHM, der.put(der.BITS, b"\0", public)), der.put(0xA3, der.put(der.SEQUENCE, *extensions)),
    )
    return der.put(der.SEQUENCE, tbs, ALGORITHM, der.put(der.BITS, b"\0", issuer_key.sign(tbs)))


def serial(seed):
    number = bytearray(sha256(seed)[:16])
    number[0] = number[0] & 0x3F | 0x40
    return bytes(number)


def write_root(key, where, office, title, start, end):
    subject = put_name(ROOT_NAME, (where, office, title))
    extensions = [
        put_extension(BASIC, True, bytes.fromhex("30060101ff020100")), put_extension(USAGE, True, bytes.fromhex("03020284")),
        put_extension(SUBJECT_KEY, False, der.put(der.OCTETS, key_identifier(key.public))),
    ]
    return write_certificate(serial(b"root" + key.public), subject, start, end, subject, key.public, extensions, key)


def write_device(root_der, root_key, public, texts, role, sealing, start, end):
    """`texts`: country, office, label, name, local id, device id in hex."""
    extensions = [
        put_extension(BASIC, True, bytes.fromhex("3000")), put_extension(USAGE, True, bytes.fromhex("03020780")),
        put_extension(EXTENDED, True, der.put(der.SEQUENCE, der.put_oid(f"{ARC}.1.{ROLES[role]}"))),
        put_extension(SUBJECT_KEY, False, der.put(der.OCTETS, key_identifier(public))),
        put_extension(AUTHORITY_KEY, False, der.put(der.SEQUENCE, der.put(0x80, key_identifier(root_key.public)))),
    ]
    if sealing:
        extensions.append(put_extension(SEALING, False, der.put(der.OCTETS, sealing)))
    subject = put_name(DEVICE_NAME, texts)
    return write_certificate(serial(public + start.encode()), Root(root_der).subject, start, end, subject, public, extensions, root_key)


def write_list(payload, signers):
    """`signers`: pairs of root certificate and key."""
    text = b64url(compact(payload).encode())
    signatures = []
    for root, key in signers:
        protected = b64url(jws.header("custodia-trust-list+jws", sha256(root)))
        signatures.append({"protected": protected, "signature": b64url(key.sign((protected + "." + text).encode()))})
    return compact({"payload": text, "signatures": signatures})


def listed_root(root, start, end):
    return {"certificate": b64(root), "from": start, "until": end}
