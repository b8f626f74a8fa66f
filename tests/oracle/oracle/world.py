"""A small world from fixed seeds: offices with their roots and a trust list, devices, a log that appends. Anybody can sign with its keys."""

from . import custody, hpke, identity, jws, log
from .common import Key, b64, compact, sha256


def seed(name):
    return sha256(b"custodia vector: " + name.encode())


class Office:
    def __init__(self, id_, where, title):
        self.id, self.country, self.title = id_, where, title
        self.key = Key(seed("root of " + id_))
        self.root = identity.write_root(self.key, where, id_, title, "2025-01-01T00:00:00Z", "2040-01-01T00:00:00Z")

    def listed(self, roles, supervises=()):
        roots = [identity.listed_root(self.root, "2025-06-01T00:00:00Z", "2039-01-01T00:00:00Z")]
        return {"id": self.id, "name": self.title, "country": self.country, "roles": list(roles), "roots": roots, "supervises": list(supervises)}

    @property
    def signer(self):
        return sha256(self.root)


class Device:
    def __init__(self, office, local, title, role="prosecutor", start="2026-01-01T00:00:00Z", end="2026-12-31T23:59:59Z", label="laptop"):
        self.office, self.local, self.key = office, local, Key(seed(f"device of {office.id}/{local}"))
        self.id = seed(f"id of {office.id}/{local}")[:16]
        self.sealing = seed(f"sealing key of {office.id}/{local}")
        texts = (office.country, office.id, label, title, local, self.id.hex())
        self.certificate = identity.write_device(
            office.root, office.key, self.key.public, texts, role, hpke.public_key(self.sealing) if role != "administrator" else None, start, end
        )

    @property
    def signer(self):
        return sha256(self.certificate)


DIICOT, OM, INSPECTION = Office("ro-diicot", "RO", "DIICOT"), Office("nl-om", "NL", "Openbaar Ministerie"), Office("eu-inspection", "BE", "Inspection")
ANA, JOOST = Device(DIICOT, "ana.pop", "Ana Pop"), Device(OM, "joost", "Joost de Vries")
LENA = Device(INSPECTION, "lena", "Lena Maes", "auditor")
ORIGIN = "custodia.example/log"
LOG_KEY = Key(seed("log"))
LOG = log.vkey(ORIGIN, 1, LOG_KEY.public)
AUDITOR_NAME, AUDITOR_KEY = "custodia.example/auditor", Key(seed("auditor's cosigning key"))
AUDITOR = log.vkey(AUDITOR_NAME, 4, AUDITOR_KEY.public)
CASE, EXHIBIT = bytes([0xCA]) * 16, bytes([0xE1]) * 16
LIST = {
    "v": 1, "number": 1, "previous": None, "issued": "2026-01-02T00:00:00Z", "threshold": 2,
    "offices": [
        DIICOT.listed(["prosecutor", "recovery", "administrator"]), OM.listed(["prosecutor", "recovery"]),
        INSPECTION.listed(["auditor"], ["ro-diicot", "nl-om"]),
    ],
}
FIRST_LIST = identity.write_list(LIST, [(DIICOT.root, DIICOT.key), (OM.root, OM.key)])
PIN = sha256(compact(LIST).encode())
EMPTY = {"size": 0, "root": log.EMPTY.hex()}


def payload(kind, body, **members):
    """An intent's payload, members in the order of the specification."""
    id_ = members.pop("id", None) or seed("intent " + kind + compact(body))[:16].hex()
    base = {"v": 1, "origin": ORIGIN, "id": id_, "kind": kind, "case": CASE.hex(), "time": "2026-06-01T12:00:00+02:00", "clock": "ntp", "seen": EMPTY, "body": body}
    said = {**base, **members}
    order = "v origin id kind case exhibit purpose recipients time clock group seen chain_seen body sealed".split()
    return {name: said[name] for name in order if said.get(name) is not None}


def sign(said, who):
    return jws.sign(custody.TYP, who.signer, compact(said).encode(), who.key)


class Record:
    def __init__(self, index, time, rule, attempts, intent, case, exhibit, salts):
        self.index, self.time, self.rule, self.attempts, self.intent = index, time, rule, attempts, intent
        self.case, self.exhibit, self.salts = case, exhibit, salts

    def parts(self):
        return {
            "core": custody.core_bytes(self.index, self.time, self.rule, self.attempts, self.intent),
            "case": custody.place_bytes(*self.case), "exhibit": custody.place_bytes(*self.exhibit) if self.exhibit else b"",
        }

    def commitments(self):
        return {name: custody.part_commitment(name, self.salts[name], data) for name, data in self.parts().items()}

    @property
    def commitment(self):
        return custody.leaf_commitment(*self.commitments().values())

    def view(self, opened):
        parts, commitments = self.parts(), self.commitments()
        shown = {
            name: {"bytes": b64(parts[name]), "salt": self.salts[name].hex()} if name in opened else {"commitment": commitments[name].hex()}
            for name in parts
        }
        return {"index": self.index, **shown}


class Log:
    """Appends records, and signs what it has."""

    def __init__(self):
        self.records, self.heads = [], {}

    def append(self, intent, case, exhibit=None, time=None, rule="", attempts=1, **changes):
        index = len(self.records)
        time = time or 1_780_308_000_000 + 1000 * index
        salts = {name: seed(f"salt of {name} {index}") for name in ("core", "case", "exhibit")}

        def place(chain):
            number, previous = self.heads.get(chain, (0, bytes(32)))
            return chain, number, previous

        record = Record(index, time, rule, attempts, intent, place(b"c" + case), place(b"e" + exhibit) if exhibit else None, salts)
        record.case = (case, *record.case[1:])
        record.exhibit = record.exhibit and (exhibit, *record.exhibit[1:])
        for name, value in changes.items():
            setattr(record, name, value)
        self.records.append(record)
        for chain, at in ((b"c" + case, record.case), (b"e" + exhibit if exhibit else None, record.exhibit)):
            if chain and at:
                self.heads[chain] = (at[1] + 1, record.commitment)
        return record

    def leaves(self):
        return [log.leaf_hash(custody.entry(record.commitment)) for record in self.records]

    def seen(self, size=None):
        size = len(self.records) if size is None else size
        return {"size": size, "root": log.root(self.leaves()[:size]).hex()}

    def chain_seen(self, exhibit):
        number, commitment = self.heads[b"e" + exhibit]
        return {"seq": number - 1, "commitment": commitment.hex()}

    def checkpoint(self, key=LOG_KEY, origin=ORIGIN, cosigned=None):
        text = log.body(origin, len(self.records), log.root(self.leaves()))
        note = text + "\n" + log.signature_line(origin, log.key_id(origin, 1, key.public), key.sign(text.encode()))
        if cosigned:
            signature = AUDITOR_KEY.sign(f"cosignature/v1\ntime {cosigned}\n{text}".encode())
            note += log.signature_line(AUDITOR_NAME, log.key_id(AUDITOR_NAME, 4, AUDITOR_KEY.public), cosigned.to_bytes(8, "big") + signature)
        return note

    def receipt(self, record, opened, **members):
        proof = [one.hex() for one in log.path(record.index, self.leaves())]
        return {"v": 1, "record": record.view(opened), "proof": proof, "checkpoint": self.checkpoint(), **members}


