"""Damaged dossiers without end, each from its number: a change at one depth of a dossier, and everything outside that depth made good again.

| depth | what is changed | what is repaired |
| --- | --- | --- |
| archive | bytes of the ZIP file | nothing |
| entry | the content, name or number of entries | sizes and CRC-32 of the ZIP |
| file | a tag or payload file | and the lists of the bag |
| statement | what somebody signed or committed to: intents, certificates, trust lists, places, times, salts, the manifest, a checkpoint | and signatures, commitments, leaves, proofs, the log's signature, the disclosure |

So what a verifier says first is the rule that the change broke, not the list beside it.
"""

import base64
import json
import random
import struct

from . import custody, der, jws, log, make_dossier, make_dossier_attacks, world
from .common import Refused, b64, compact, sha256
from .make_dossier import FOLDER_OF, TRUST, lines
from .make_dossier_stamps import DEMANDED, FAR, OWN, Stamped
from .mutate import json_or_bytes, some_bytes, some_json, some_text
from .world import ANA, AUDITOR_KEY, AUDITOR_NAME, DIICOT, JOOST, LOG_KEY, OM, ORIGIN, Log

# What is damaged: every dossier of the vectors that passes, with its judge's trust file.
# The cases of make_dossier_attacks and make_dossier_stamps stand in the same list.
BASES = [(maker, trust) for _, verdict, _, trust, maker in make_dossier.CASES if verdict == "PASSED"]


class Damaged:
    """Where the change goes in, drawn once for a mutant; `what` says it afterwards."""

    def __init__(self, rng):
        self.rng, self.what = rng, None

    def once(self, what, value, change):
        """Changes the value if nothing was changed yet; which one is hit is a matter of the draw."""
        if self.what is None and self.rng.random() < 0.35:
            self.what = what
            return change(value)
        return value


# The archive and its entries.


def in_archive(rng, base):
    data = base().make()
    return some_bytes(rng, data), "bytes of the archive"


def with_entries(rng, base):
    class Entries(base):
        def zip(self, entries):
            return make_dossier.zipped(changed_entries(rng, [("dossier/" + name, data) for name, data in entries.items()]))

    return Entries().make(), "an entry"


def changed_entries(rng, entries):
    at, other = rng.randrange(len(entries)), rng.randrange(len(entries))
    name, data = entries[at]
    how = rng.choice(["content", "content", "content", "drop", "name", "double", "add", "swap", "place"])
    if how == "content":
        entries[at] = (name, json_or_bytes(rng, data))
    elif how == "drop":
        del entries[at]
    elif how == "name":
        head, _, tail = name.rpartition("/")
        climbing = [f"{head}/../{tail}", f"/{name}", f"{head}//{tail}", f"{head}/./{tail}", name.replace("/", "\\"), f"{name}/", f"C:{tail}", f"{head}/{tail.swapcase()}", f"{head}/{tail}\u0000"]
        entries[at] = (rng.choice([*climbing, some_text(rng, name)]), data)
    elif how == "double":
        entries.insert(other, (name, rng.choice([data, b"", some_bytes(rng, data)])))
    elif how == "add":
        places = ["dossier/", "dossier/data/", "dossier/custody/", "dossier/report/", f"dossier/data/{FOLDER_OF}files/", "dossier/custody/checkpoints/", ""]
        names = ["more.txt", "trust.toml", "custodia-verify", "verifier.html", "checkpoint", "9", "5.1.tsr", "ș.txt", "log.txt"]
        entries.insert(other, (rng.choice(places) + rng.choice(names), rng.choice([b"", b"x", LOG_TEXT])))
    elif how == "swap":
        entries[at], entries[other] = (name, entries[other][1]), (entries[other][0], data)
    else:
        entries.insert(other, entries.pop(at))
    return entries


LOG_TEXT = f'origin = "{ORIGIN}"\nlog = "{TRUST["log"]}"\n'.encode()


# A file of the bag, with the lists made good.


def in_a_file(rng, base):
    mark = Damaged(rng)

    class Payload(base):
        def payload(self):
            entries = super().payload()
            if rng.random() < 0.6:
                name = rng.choice(list(entries))
                entries[name] = mark.once(name, entries[name], lambda data: json_or_bytes(rng, data))
            elif rng.random() < 0.3:
                folder = rng.choice(["data/", f"data/{FOLDER_OF}", f"data/{FOLDER_OF}files/", f"data/exhibits/{'e2' * 16}/"])
                mark.what = "a payload file more"
                entries[folder + rng.choice(["more.txt", "files.json", "dossier.json", "ș"])] = b"[]"
            return entries

        def damage(self, entries):
            super().damage(entries)
            if mark.what is None:
                names = [name for name in entries if not name.startswith("data/") and name != "tagmanifest-sha256.txt"]
                name = rng.choice(names)
                mark.what = name
                if rng.random() < 0.08:
                    del entries[name]
                else:
                    entries[name] = json_or_bytes(rng, entries[name])

    return Payload().make(), mark.what


def of_proofs(rng, base):
    """Hashes of proofs changed one by one: order, number, a digit."""

    class Proofs(base):
        def damage(self, entries):
            super().damage(entries)
            name = rng.choice([name for name in entries if name.endswith(".proof")])
            rows = [row.split(" ") if row else [] for row in entries[name].decode().split("\n")[:-1]]
            row = rng.choice(rows) if rows else rows
            how = rng.choice(["digit", "drop", "add", "swap", "rows", "upper"])
            if how == "digit" and row:
                at = rng.randrange(len(row))
                row[at] = some_text(rng, row[at])
            elif how == "drop" and row:
                row.pop(rng.randrange(len(row)))
            elif how == "add":
                row.insert(rng.randrange(len(row) + 1), bytes([rng.randrange(256)] * 32).hex())
            elif how == "swap" and len(row) > 1:
                row.insert(0, row.pop())
            elif how == "upper" and row:
                row[0] = row[0].upper()
            elif rows:
                rows.insert(rng.randrange(len(rows)), rows[-1])
            entries[name] = lines(" ".join(row) for row in rows)

    return Proofs().make(), "a proof"


# What was signed or committed to.


class DamagedLog(Log):
    """A log that takes a record in other than it should, and commits to what it took."""

    def __init__(self, mark):
        super().__init__()
        self.mark = mark

    def append(self, intent, case, exhibit=None, **members):
        record = super().append(intent, case, exhibit, **members)
        if self.mark is None:
            return record
        self.mark.once(f"record {record.index}", record, self.change)
        for chain, at in ((b"c" + case, record.case), (b"e" + (exhibit or b""), record.exhibit)):
            if exhibit or chain[:1] == b"c":
                self.heads[chain] = (at[1] + 1 if at else 0, record.commitment)
        return record

    def change(self, record):
        rng = self.mark.rng
        how = rng.choice(["time", "time", "rule", "attempts", "case", "exhibit", "index", "previous", "number", "intent"])
        self.mark.what += f": {how}"
        place = rng.choice(["case", "exhibit"]) if record.exhibit else "case"
        chain, number, previous = getattr(record, place)
        match how:
            case "time":
                record.time = rng.choice([0, record.time - 5000, record.time - 1, record.time + 1, record.time + 10**9, 10**12 * 2, 253402300799999, 1 << 63])
            case "rule":
                record.rule = rng.choice(["ACC-01", "ACC-06", "REC-02", "XXX-99", "acc-01", "A", "ACC-01 "])
            case "attempts":
                record.attempts = rng.choice([0, 2, 1 << 31])
            case "case" | "exhibit":
                setattr(record, place, (bytes([rng.randrange(256)]) * 16, number, previous))
            case "index":
                record.index += rng.choice([1, -1, 1 << 40]) if record.index else 1
            case "previous":
                setattr(record, place, (chain, number, some_bytes(rng, previous)[:32].ljust(32, b"\0")))
            case "number":
                setattr(record, place, (chain, max(0, number + rng.choice([1, -1, 5])), previous))
            case "intent":
                record.intent = some_text(rng, record.intent)


def in_the_log(rng, base):
    mark = Damaged(rng)
    maker = base()
    maker.log = DamagedLog(mark)
    return maker.make(), mark.what


def in_an_intent(rng, base):
    """A statement that its device signed as it stands."""
    mark = Damaged(rng)

    def sign(said, who):
        text = mark.once(f"intent {said['kind']}", compact(said), lambda text: some_json(rng, text))
        return jws.sign(custody.TYP, who.signer, text.encode("utf-8", "surrogatepass"), who.key)

    return patched({"sign": sign}, base), mark.what


def in_a_manifest(rng, base):
    """A manifest that the collection commits to as it stands."""
    text = some_json(rng, base().manifest().decode()).encode("utf-8", "surrogatepass")
    return type("Manifest", (base,), {"manifest": lambda self: text})().make(), "the manifest"


def in_a_checkpoint(rng, base):
    """A head that the log signed, and the auditor cosigned, as it stands."""

    class Checkpoint(base):
        def tags(self):
            tags = super().tags()
            text = tags["custody/checkpoint"].decode().partition("\n\n")[0] + "\n"
            at = rng.randrange(4)
            rows = text.split("\n")[:-1]
            if at < 3:
                rows[at] = some_text(rng, rows[at])
            else:
                rows.append("an extension line")
            text = "\n".join(rows) + "\n"
            raw = text.encode("utf-8", "surrogatepass")
            note = text + "\n" + log.signature_line(ORIGIN, log.key_id(ORIGIN, 1, LOG_KEY.public), LOG_KEY.sign(raw))
            if self.cosigned:
                signature = AUDITOR_KEY.sign(b"cosignature/v1\ntime %d\n" % self.cosigned + raw)
                note += log.signature_line(AUDITOR_NAME, log.key_id(AUDITOR_NAME, 4, AUDITOR_KEY.public), self.cosigned.to_bytes(8, "big") + signature)
            tags["custody/checkpoint"] = note.encode("utf-8", "surrogatepass")
            return tags

    return Checkpoint().make(), "the checkpoint"


def in_a_certificate(rng, base):
    """A device certificate that its office signed as it stands; its device acts under it."""
    _, outer, _ = der.one(ANA.certificate)
    (_, _, tbs), (_, _, algorithm), _ = der.each(outer)
    tbs = some_bytes(rng, tbs)
    certificate = der.put(der.SEQUENCE, tbs, algorithm, der.put(der.BITS, b"\0", DIICOT.key.sign(tbs)))
    return with_certificate(certificate, base), "a certificate"


def with_certificate(certificate, base):
    before = ANA.certificate
    ANA.certificate = certificate
    try:
        return base().make()
    finally:
        ANA.certificate = before


def in_a_trust_list(rng, base):
    """A list that two offices signed as it stands, and that the judge pins."""
    text = some_json(rng, compact(world.LIST)).encode("utf-8", "surrogatepass")
    piece = base64.urlsafe_b64encode(text).decode().rstrip("=")
    signatures = []
    for office in (DIICOT, OM):
        protected = base64.urlsafe_b64encode(jws.header("custodia-trust-list+jws", sha256(office.root))).decode().rstrip("=")
        signature = base64.urlsafe_b64encode(office.key.sign(f"{protected}.{piece}".encode())).decode().rstrip("=")
        signatures.append({"protected": protected, "signature": signature})
    outer = compact({"payload": piece, "signatures": signatures})
    return patched({"FIRST_LIST": outer}, base), "the trust list", {"trust_pin": sha256(text).hex()}


def with_acts(rng, base):
    """Acts that no rule, or another rule, would have let pass, taken in as accepted."""

    def between(self):
        super(Acts, self).between()
        for _ in range(rng.choice([1, 1, 2, 3])):
            kind, body, members = rng.choice(ACTS)
            who = rng.choice([ANA, ANA, ANA, JOOST])
            rule = rng.choice(["", "", "", "", "ACC-04", "ACC-09"])
            self.act(kind, body, who, rule=rule, **members)

    def identities(self):
        super(Acts, self).identities()
        if rng.random() < 0.7:
            self.registry("device.enrol", {"certificate": b64(JOOST.certificate)}, rng.choice([OM, OM, OM, DIICOT]))
        if rng.random() < 0.2:
            self.registry("device.revoke", {"device": JOOST.id.hex(), "reason": "left"}, rng.choice([OM, OM, DIICOT]))

    def collect(self):
        super(Acts, self).collect()

    Acts = type("Acts", (base,), {"between": between, "identities": identities, "collect": collect})
    handling = rng.choice(["H0", "H0", "H0", "H1", "H2", "H3"])
    raw = make_dossier.sign

    def sign(said, who):
        if said["kind"] == "collection" and handling != "H0":
            said = {**said, "body": {**said["body"], "handling": handling}}
        return raw(said, who)

    return patched({"sign": sign}, Acts), f"acts under {handling}"


PURPOSE = {"purpose": "trial"}
ACTS = [
    ("consultation", {"mode": "view"}, PURPOSE),
    ("consultation", {"mode": "view"}, {}),
    ("disclosure", {"form": "export"}, {**PURPOSE, "recipients": ["The court"]}),
    ("disclosure", {"form": "dossier", "payload": "ab" * 32}, {**PURPOSE, "recipients": ["The court"]}),
    ("disclosure", {"form": "transfer", "means": "usb"}, {**PURPOSE, "recipients": ["The court"]}),
    ("hold.place", {}, {}),
    ("hold.lift", {}, {}),
    ("restriction.place", {}, {}),
    ("restriction.lift", {}, {}),
    ("consent.give", {"to": "judicial-use"}, {"recipients": ["The court"]}),
    ("consent.give", {"to": "onward"}, {"recipients": ["The court"]}),
    ("erasure", {"step": "propose", "records": []}, PURPOSE),
    ("erasure", {"step": "confirm", "proposal": "ab" * 16, "digest": "cd" * 32}, PURPOSE),
    ("alteration", {"handling": "H1"}, {}),
    ("alteration", {"review": "2032-01-01"}, {}),
    ("member.leave", {}, {}),
]


def derived(rng, base):
    """An exhibit that says to be made from another: the commitment and the manifest agree, or do not."""
    other = bytes([rng.randrange(1, 256)]) * 16
    how = rng.choice(["copy", "extract", "redaction", "translation", "transcript"])
    shown = rng.choice([how, how, how, "copy", "extract"])
    named = rng.choice([other, other, other, bytes(16)])
    manifest = base().manifest().decode()
    before, mark, after = manifest.partition('"review_date"')
    told = f'"derived_from":{compact({"exhibit": named.hex(), "how": shown})},' if rng.random() < 0.8 else ""
    text = (before + told + mark + after).encode()
    salt = rng.choice([make_dossier.SALT, make_dossier.SALT, make_dossier.SALT, bytes(32)])
    commitment = custody.derivation_commitment(salt, other).hex()
    raw = make_dossier.sign

    def sign(said, who):
        if said["kind"] == "collection":
            said = {**said, "body": {**said["body"], "derivation": {"how": how, "other": commitment}}}
        return raw(said, who)

    return patched({"sign": sign}, type("Derived", (base,), {"manifest": lambda self: text})), "a derivation"


def patched(names, maker):
    """Makes a dossier while other definitions stand in the maker's module."""
    before = {name: getattr(make_dossier, name) for name in names}
    try:
        for name, value in names.items():
            setattr(make_dossier, name, value)
        return maker().make()
    finally:
        for name, value in before.items():
            setattr(make_dossier, name, value)


def with_stamps(rng, _):
    """Checkpoints stamped at some sizes and times, by some authority, most of them genuine."""
    sizes = sorted(rng.choice([0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 7, 7]) for _ in range(rng.choice([1, 2, 2, 2, 3, 4])))
    which = []
    for size in sizes:
        how = {"own": rng.choice([OWN, OWN, OWN, OWN, FAR])}
        if rng.random() < 0.2:
            how["accuracy"] = der.put(der.SEQUENCE, bytes([2, 1, rng.randrange(1, 100)]))
        if rng.random() < 0.1:
            how["of"] = rng.choice([b"other", b""])
        if rng.random() < 0.05:
            how["status"] = rng.choice([1, 2, 3, 5])
        if rng.random() < 0.05:
            how["twice"] = True
        which.append((size, size - 1 + rng.choice([0, 0, 0, 0, 1, -1, 86400, -86400]), how))
    pins = rng.choice([DEMANDED, DEMANDED, {**DEMANDED, "stamps": "shown"}, {**DEMANDED, "stamp_window_seconds": 2}])
    return type("Other", (Stamped,), {"stamped": which})().make(), "stamps", pins


# How often each is drawn: half of all has its signatures, commitments and proofs repaired.
WAYS = [
    (in_archive, 10), (with_entries, 15), (in_a_file, 25), (of_proofs, 5),
    (in_the_log, 12), (in_an_intent, 14), (in_a_manifest, 6), (in_a_checkpoint, 4), (in_a_certificate, 6), (in_a_trust_list, 5), (with_acts, 6), (derived, 4), (with_stamps, 8),
]


def mutant(seed, number):
    """The archive, the text of the judge's trust file, and in words what was changed. The same seed and number give the same."""
    rng = random.Random(f"{seed}/{number}")
    while True:
        way = rng.choices([way for way, _ in WAYS], [weight for _, weight in WAYS])[0]
        try:
            base, pins = rng.choice(BASES)
            data, what, *other = way(rng, base)
        except UNWRITABLE:
            continue
        if what is not None:
            return data, trust_text({**pins, **(other[0] if other else {})}), f"{way.__name__}: {what}"


# A change that no dossier can be written with, such as a time that does not fit its bytes: another one is drawn.
UNWRITABLE = (Refused, ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error)


def trust_text(pins):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in pins.items())


def smallest():
    """The smallest dossier that passes, each bit of which is flipped by `tests/mutants --flips`."""
    return min((base().make() for base, pins in BASES if pins == TRUST), key=len)


# Fields of ZIP headers that are not evidence: their length and meaning, by offset, in a local header and in one of the directory. What no
# verifier reads, because it says nothing of names and bytes.
LOCAL = {4: (2, "version needed"), 10: (4, "time of the entry")}
CENTRAL = {4: (2, "version made by"), 6: (2, "version needed"), 12: (4, "time of the entry"), 36: (2, "internal attributes"), 38: (4, "external attributes")}


def not_evidence(data):
    """What each byte of an archive is that a change may leave unnoticed, by its offset."""
    fields = {}

    def note(header, at):
        for offset, (length, meaning) in header.items():
            fields.update({at + offset + one: meaning for one in range(length)})

    entries, _, directory = struct.unpack("<HII", data[-12:-2])
    at = directory
    for _ in range(entries):
        names, extra, comment = struct.unpack("<HHH", data[at + 28 : at + 34])
        note(CENTRAL, at)
        note(LOCAL, struct.unpack("<I", data[at + 42 : at + 46])[0])
        at += 46 + names + extra + comment
    return fields
