"""Makes tests/vectors/dossier: whole dossiers, and the verdict that each must have."""


import json
import struct
import zlib

from blake3 import blake3

from . import exhibit, log, world
from .common import Key, b64, b64url, compact, sha256
from .vectors import keep
from .world import ANA, AUDITOR, CASE, DIICOT, EXHIBIT, FIRST_LIST, JOOST, LOG, OM, ORIGIN, PIN, Log, payload, seed, sign

D = [bytes([number]) * 32 for number in range(16)]
FILES = [("note.txt", b"Seen at the station at noon.\n"), ("empty.bin", b"")]
SALT, GROUP = D[5], CASE.hex() + "00000000"
POLICY = f"witness auditor {AUDITOR}\nquorum auditor\n"
TRUST = {"origin": ORIGIN, "log": LOG, "trust_pin": PIN.hex(), "policy": POLICY}
FOLDER_OF = f"exhibits/{EXHIBIT.hex()}/"
EVERYTHING = ("core", "case", "exhibit")


def manifest(files=tuple(FILES), of=EXHIBIT, salt=SALT):
    listed, end = [], 0
    for name, data in files:
        listed.append({
            "path": name, "media_type": "text/plain", "size": len(data), "sha256": sha256(data).hex(), "blake3": blake3(data).hexdigest(),
            "tree": exhibit.tree(data).hex(), "offset": end,
        })
        end += len(data)
    intake = {
        "exhibit_number": "2026-017/1", "title": "Note", "kind": "document", "collected": {"by": "Ana Pop", "at": "2026-06-01T09:00:00+03:00", "place": "Cluj"},
        "source": {"person": "A."}, "acquisition": {"method": "copied by hand"},
        "legal_basis": {"type": "warrant", "identifier": "17/2026", "authority": "Tribunalul Cluj", "state": "RO", "valid_from": "2026-05-01"},
        "handling": "H0", "evaluation": {"source": "A", "information": "1"}, "person_categories": ["witness"], "special_category": False, "child": False,
        "review_date": "2031-06-01",
    }
    return compact({
        "version": 1, "exhibit": of.hex(), "case": CASE.hex(), "salt": salt.hex(), "stream_len": end, "segment_size": exhibit.SEGMENT, "intake": intake,
        "files": listed,
    }).encode()


class Maker:
    """A dossier in the making. A case changes a step by overriding it, or what came of it afterwards."""

    policy, trust, files, included = POLICY, TRUST, FILES, True
    actor, cosigned, log_key = ANA, 1_780_400_000, world.LOG_KEY

    def __init__(self):
        self.log, self.acts, self.reasons = Log(), 0, {}

    # The log.

    def registry(self, kind, body, who=DIICOT, **changes):
        said = payload(kind, body, case="00" * 16, seen=self.log.seen(), id=seed(f"{kind} {len(self.log.records)}")[:16].hex())
        return self.log.append(sign(said, who), bytes(16), **changes)

    def intent(self, kind, body, who=None, reason="For the case file.", **members):
        self.acts += 1
        who, intent = who or self.actor, seed(f"act {self.acts}")[:16]
        key = seed(f"reason key {self.acts}")
        message = exhibit.sealed_reason(key, seed(f"reason salt {self.acts}")[:24], ORIGIN, intent, compact({"reason": reason}).encode())
        sealed = {"message": b64url(message), "ring": {"version": 1, "wrap": b64url(bytes(104))}, "auditors": [], "trust_list": 1}
        group = None if kind == "case.create" else {"id": GROUP, "epoch": 0, "transcript": ""}
        base = {"id": intent.hex(), "group": group, "seen": self.log.seen(), "sealed": sealed}
        self.reasons[len(self.log.records)] = key
        return sign(payload(kind, body, **{**base, **members}), who)

    def act(self, kind, body, who=None, rule="", of=EXHIBIT, case=CASE, append=None, **members):
        members = {"exhibit": of.hex(), **members}
        if kind != "collection":
            members.setdefault("chain_seen", self.log.chain_seen(of))
        return self.log.append(self.intent(kind, body, who, **members), case, of, rule=rule, **(append or {}))

    def identities(self):
        self.registry("trust.list", {"list": FIRST_LIST})
        self.registry("device.enrol", {"certificate": b64(ANA.certificate)})

    def collect(self):
        json_ = self.manifest()
        self.act("collection", {
            "manifest_commitment": exhibit.manifest_commitment(SALT, json_).hex(), "manifest_object": D[1].hex(), "objects": 1, "objects_digest": D[2].hex(),
            "sealed_bytes": 5192, "exhibit_key_commitment": D[3].hex(), "release_share_commitment": D[4].hex(), "ring_version": 1, "handling": "H0",
            "review": "2031-06-01",
        })

    def manifest(self):
        return manifest(self.files)

    def case(self):
        create = {
            "group_id": GROUP, "group_info": D[1].hex(), "ring_version": 1, "ring_commitment": D[2].hex(), "ring_row": D[3].hex(),
            "members": [{"certificate": self.actor.signer.hex(), "terms": "founder"}], "review": "2031-06-01",
        }
        self.log.append(self.intent("case.create", create), CASE)

    def between(self):
        self.act("consultation", {"mode": "view"}, purpose="prosecution")

    def disclose(self, digest):
        self.act("disclosure", {"form": "dossier", "payload": digest}, purpose="trial", recipients=["Tribunalul Cluj"])

    def after(self):
        self.log.append(self.intent("member.leave", {}), CASE)

    # The payload.

    def index(self):
        return {
            "version": 1, "case": CASE.hex(), "origin": ORIGIN, "made": "2026-06-02T10:00:00+03:00", "by": "ro-diicot/ana.pop",
            "recipients": ["Tribunalul Cluj"], "exhibits": [EXHIBIT.hex()], "files": "included" if self.included else "digests", "withheld": [],
        }

    def payload(self):
        files = self.files if self.included else []
        entries = {"dossier.json": compact(self.index()).encode(), FOLDER_OF + "manifest.json": self.manifest()}
        entries[FOLDER_OF + "files.json"] = compact([name for name, _ in files]).encode()
        entries.update({FOLDER_OF + "files/" + name: data for name, data in files})
        entries[FOLDER_OF + "reasons.json"] = compact(self.opened()).encode()
        return {"data/" + name: data for name, data in entries.items()}

    def opened(self):
        own = [record.index for record in self.log.records if record.exhibit]
        return {str(index): self.reasons[index].hex() for index in own if index in self.reasons}

    # The tag files.

    def registry_views(self):
        return [record.view(("core", "case")) for record in self.log.records if record.case[0] == bytes(16)]

    def chain(self):
        records = [record for record in self.log.records if record.exhibit and record.exhibit[0] == EXHIBIT]
        return records[: 1 + max(at for at, record in enumerate(records) if '"dossier"' in said(record.intent))]

    def tags(self):
        chain, leaves = self.chain(), self.log.leaves()
        views = self.registry_views()
        return {
            "custody/log.txt": (LOG + "\n").encode(), "custody/checkpoint": self.log.checkpoint(key=self.log_key, cosigned=self.cosigned).encode(),
            "custody/registry.ndjson": lines(map(compact, views)),
            "custody/registry.proof": lines(one.hex() for one in log.path(views[-1]["index"], leaves)),
            f"custody/{FOLDER_OF}chain.ndjson": lines(compact(self.view(record)) for record in chain),
            f"custody/{FOLDER_OF}chain.proof": lines(" ".join(one.hex() for one in log.path(record.index, leaves)) for record in chain),
        }

    @staticmethod
    def view(record):
        return record.view(("core", "exhibit"))

    def make(self):
        self.identities()
        self.case()
        self.collect()
        self.between()
        payload = self.payload()
        list_ = listed(payload)
        self.disclose(sha256(list_).hex())
        self.after()
        oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
        info = f"Source-Organization: ro-diicot\nBagging-Date: 2026-06-02\nPayload-Oxum: {oxum}\nExternal-Identifier: {CASE.hex()}\n"
        entries = {
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "bag-info.txt": info.encode(), "manifest-sha256.txt": list_, **self.tags(),
        }
        entries = {**entries, **payload}
        self.damage(entries)
        if "tagmanifest-sha256.txt" not in entries:
            entries["tagmanifest-sha256.txt"] = listed({name: data for name, data in entries.items() if not name.startswith("data/")})
        self.damage_listed(entries)
        return self.zip(entries)

    def damage(self, entries):
        pass

    def damage_listed(self, entries):
        pass

    def zip(self, entries):
        return zipped([("dossier/" + name, data) for name, data in entries.items()])


def said(intent):
    import base64

    piece = intent.split(".")[1]
    return base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)).decode()


def lines(texts):
    return "".join(text + "\n" for text in texts).encode()


def listed(files):
    return lines(f"{sha256(data).hex()}  {name}" for name, data in sorted(files.items()))


def zipped(entries, before=b"", after=b"", local=lambda fields, name: fields, crc=zlib.crc32, between=b""):
    """`local` changes the fields of a local header: flags, method, CRC, sizes."""
    out, directory = before, b""
    for number, (name, data) in enumerate(entries):
        raw = name.encode("utf-8", "surrogateescape")
        out += between if number == 1 else b""
        at, flags = len(out), 0 if raw.isascii() else 0x800
        check = crc(data)
        fields = local({"flags": flags, "method": 0, "crc": check, "packed": len(data), "size": len(data), "name": raw}, name)
        out += b"PK\3\4" + struct.pack(
            "<HHHHHIIIHH", 20, fields["flags"], fields["method"], 0, 0x21, fields["crc"], fields["packed"], fields["size"], len(fields["name"]), 0,
        ) + fields["name"] + data
        directory += b"PK\1\2" + struct.pack("<HHHHHHIIIHHHHHII", 0x314, 20, flags, 0, 0, 0x21, check, len(data), len(data), len(raw), 0, 0, 0, 0, 0o100600 << 16, at) + raw
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(out), 0)
    return out + directory + b"PK\5\6" + end + after


CASES = []


def case(name, verdict, first=None, **trust):
    """Marks a maker as a case; `trust` changes what the judge pins."""

    def mark(maker):
        CASES.append((name, verdict, first, {**TRUST, **trust}, maker))
        return maker

    return mark


def changed(**steps):
    return type("Changed", (Maker,), steps)


# Good ones.

case("whole", "PASSED")(Maker)
case("of-digests", "PASSED")(changed(included=False))
case("without-reasons", "PASSED")(changed(opened=lambda self: {}))
case("files-with-names-in-utf-8", "PASSED")(changed(files=[("Mărturie/Ș.txt", b"x")]))


def foreign_refusals(self):
    """Records that were refused because they were for another log, case or history: they prove nothing against the chain."""
    opening = {"purpose": "prosecution"}
    self.act("consultation", {"mode": "view"}, rule="REC-01", origin="elsewhere.example/log", **opening)
    self.act("consultation", {"mode": "view"}, rule="REC-02", seen={"size": 3, "root": D[7].hex()}, **opening)
    self.act("consultation", {"mode": "view"}, rule="REC-02", seen={"size": 1 << 40, "root": D[7].hex()}, **opening)
    self.act("consultation", {"mode": "view"}, rule="REC-03", chain_seen={"seq": 99, "commitment": D[7].hex()}, **opening)
    other = bytes([0xCB]) * 16
    self.act("consultation", {"mode": "view"}, rule="REC-05", case=other, **{**opening, "group": {"id": other.hex() + "00000000", "epoch": 0, "transcript": ""}})
    # The payload of an intent names the case too.


def other_case_refusal(self):
    foreign_refusals(self)


case("with-refused-records-that-lie", "PASSED")(changed(between=foreign_refusals, opened=lambda self: {}))


def audited(self):
    Maker.identities(self)
    self.log.append(
        sign(payload("log.read", {"from": 0, "to": 2}, case="00" * 16, purpose="lawfulness-check", seen=self.log.seen(), id="0d" * 16,
                     sealed={"message": b64url(bytes(328)), "auditors": [], "trust_list": 1}), world.LENA), bytes(16))


case("with-a-reading-of-the-log-in-the-registry", "PASSED")(changed(identities=audited))


def enrolled_and_revoked(self):
    Maker.between(self)
    self.registry("device.enrol", {"certificate": b64(JOOST.certificate)}, OM)
    self.act("consultation", {"mode": "view"}, JOOST, purpose="trial")
    self.registry("device.revoke", {"device": JOOST.id.hex(), "reason": "left"}, OM)
    self.act("consultation", {"mode": "view"}, JOOST, rule="ACC-01", purpose="trial")


case("with-an-act-of-a-device-revoked-later", "PASSED")(changed(between=enrolled_and_revoked))

HELD_BACK = {"exhibit": "e3" * 16, "ground": "protection of a witness"}


def withholding(*withheld):
    return changed(index=lambda self: {**Maker.index(self), "withheld": list(withheld)})


case("with-exhibits-withheld", "PASSED")(withholding(HELD_BACK, {"exhibit": None, "ground": "national security"}, {"exhibit": None, "ground": "national security"}))

# Indeterminate.

case("no-cosignature", "INDETERMINATE", "LOG-03")(changed(cosigned=None))
case("no-policy", "INDETERMINATE", "LOG-03", policy="")(Maker)
case("policy-that-demands-nobody", "INDETERMINATE", "LOG-03", policy="quorum none\n")(Maker)
case("of-version-2", "INDETERMINATE", "DOS-03")(changed(index=lambda self: {**Maker.index(self), "version": 2, "new": True}))

# The archive.

case("archive-bytes-before", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), before=b"junk")))
case("archive-bytes-between", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), between=b"junk")))
case("archive-bytes-after", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), after=b"junk")))
case("archive-crc-wrong", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), crc=lambda data: zlib.crc32(data) ^ (data[:4] == b"Seen"))))
case("archive-local-crc-wrong", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), local=once(crc=7))))
case("archive-local-method-deflated", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), local=once(method=8))))
case("archive-local-size-shorter", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), local=once(size=3, packed=3))))
case("archive-local-flag-encrypted", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), local=once(flags=1))))
case("archive-local-name-other", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped(rooted(entries), local=once(name=b"dossier/bagit.tx_"))))
case("archive-file-outside", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped([*rooted(entries), ("readme.txt", b"x")])))
case("archive-file-that-climbs", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped([*rooted(entries), ("dossier/../x", b"x")])))
case("archive-name-twice", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped([*rooted(entries), ("dossier/bagit.txt", b"x")])))
case("archive-with-a-folder", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped([*rooted(entries), ("dossier/data/", b"")])))
case("archive-name-not-utf-8", "FAILED", "DOS-01")(changed(zip=lambda self, entries: zipped([*rooted(entries), ("dossier/\udcff", b"")])))
case("archive-of-nothing", "FAILED", "DOS-01")(changed(zip=lambda self, entries: b""))


def rooted(entries):
    return [("dossier/" + name, data) for name, data in entries.items()]


def once(**change):
    return lambda fields, name: {**fields, **change} if name == "dossier/bagit.txt" else fields


# The bag and the index.


def damage(**changes):
    """After all lists: members by path, `None` takes a file away."""

    def step(self, entries):
        for path, data in changes.items():
            path = path.replace("__", "/").replace("_dot_", ".")
            if data is None:
                entries.pop(path)
            else:
                entries[path] = data(entries.get(path)) if callable(data) else data

    return step


def at(path, data):
    def step(self, entries):
        if data is None:
            entries.pop(path)
        else:
            entries[path] = data(entries.get(path)) if callable(data) else data

    return step


NOTE = f"data/{FOLDER_OF}files/note.txt"
case("bag-file-changed", "FAILED", "DOS-02")(changed(damage_listed=at(NOTE, b"Not seen at the station.\n")))
case("bag-file-missing", "FAILED", "DOS-02")(changed(damage_listed=at("custody/log.txt", None)))
case("bag-file-not-listed", "FAILED", "DOS-02")(changed(damage_listed=at("custody/more.txt", b"x")))
case("bag-of-another-version", "FAILED", "DOS-02")(changed(damage=at("bagit.txt", b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n")))
case("bag-without-its-tag-list", "FAILED", "DOS-02")(changed(damage_listed=at("tagmanifest-sha256.txt", None)))
case("bag-line-twice", "FAILED", "DOS-02")(changed(damage_listed=at("tagmanifest-sha256.txt", lambda data: data + data.split(b"\n")[0] + b"\n")))
case("bag-digest-in-capitals", "FAILED", "DOS-02")(changed(damage_listed=at("tagmanifest-sha256.txt", lambda data: data[:64].upper() + data[64:])))
case("index-with-an-unknown-member", "FAILED", "DOS-03")(changed(index=lambda self: {**Maker.index(self), "note": "x"}))
case("index-with-a-member-missing", "FAILED", "DOS-03")(changed(index=lambda self: {k: v for k, v in Maker.index(self).items() if k != "by"}))
case("index-of-another-log", "FAILED", "DOS-03")(changed(index=lambda self: {**Maker.index(self), "origin": "elsewhere.example/log"}))
case("index-of-no-exhibit", "FAILED", "DOS-03")(changed(index=lambda self: {**Maker.index(self), "exhibits": []}))
case("index-with-an-exhibit-twice", "FAILED", "DOS-03")(changed(index=lambda self: {**Maker.index(self), "exhibits": [EXHIBIT.hex()] * 2}))
case("index-that-withholds-what-it-gives", "FAILED", "DOS-03")(withholding({"exhibit": EXHIBIT.hex(), "ground": "protection of a witness"}))
case("index-that-withholds-an-exhibit-twice", "FAILED", "DOS-03")(withholding(HELD_BACK, {**HELD_BACK, "ground": "national security"}))
case("index-that-withholds-on-no-ground", "FAILED", "DOS-03")(withholding({**HELD_BACK, "ground": " "}))


def with_payload(**more):
    def step(self):
        return {**Maker.payload(self), **{path: data for path, data in more.items()}}

    return step


case("payload-of-an-exhibit-that-is-not-named", "FAILED", "DOS-03")(changed(payload=with_payload(**{f"data/exhibits/{'e2' * 16}/files/x.txt": b"x"})))
case("payload-with-a-file-beside-the-exhibits", "FAILED", "DOS-03")(changed(payload=with_payload(**{"data/readme.txt": b"x"})))

# Log and trust.

case("checkpoint-by-another-key", "FAILED", "LOG-01")(changed(log_key=Key(seed("a stranger"))))
case("judge-pins-another-log", "FAILED", "DOS-03", origin="elsewhere.example/log", log=log.vkey("elsewhere.example/log", 1, world.LOG_KEY.public))(Maker)
case("judge-pins-another-key", "FAILED", "LOG-01", log=log.vkey(ORIGIN, 1, Key(seed("a stranger")).public))(Maker)
case("judge-pins-another-list", "FAILED", "TRU-01", trust_pin=D[1].hex())(Maker)
case("cosignature-changed", "FAILED", "LOG-03")(changed(damage=at("custody/checkpoint", lambda data: data[:-12] + bytes([data[-12] ^ 1]) + data[-11:] if data[-12] not in b"/9zZ" else data[:-12] + b"A" + data[-11:])))
PROOF = f"custody/{FOLDER_OF}chain.proof"
case("proofs-exchanged", "FAILED", "LOG-02")(changed(damage=at(PROOF, lambda data: lines(reversed(data.decode().splitlines())))))
case("proof-missing", "FAILED", "LOG-02")(changed(damage=at(PROOF, lambda data: lines(data.decode().splitlines()[:-1]))))
case("record-that-the-log-does-not-hold", "FAILED", "LOG-02")(changed(damage=at(f"custody/{FOLDER_OF}chain.ndjson", lambda data: resalted(data))))


def resalted(data):
    first, *rest = data.decode().splitlines()
    view = json.loads(first)
    view["core"]["salt"] = D[1].hex()
    return lines([compact(view), *rest])


case("registry-proof-of-another-record", "FAILED", "TRU-01")(changed(damage=at("custody/registry.proof", lambda data: lines(reversed(data.decode().splitlines())))))
case("registry-record-left-out", "FAILED", "TRU-01")(changed(damage=at("custody/registry.ndjson", lambda data: lines(data.decode().splitlines()[1:]))))
case("registry-record-closed", "FAILED", "TRU-01")(changed(registry_views=lambda self: [record.view(("case",)) for record in self.log.records if record.case[0] == bytes(16)]))


def enrolled_by_another(self):
    self.registry("trust.list", {"list": FIRST_LIST})
    self.registry("device.enrol", {"certificate": b64(ANA.certificate)}, OM)


case("enrolled-by-another-office", "FAILED", "TRU-01")(changed(identities=enrolled_by_another))

# The chain.

VIEWS = f"custody/{FOLDER_OF}chain.ndjson"


def left_out(which):
    class LeftOut(Maker):
        def chain(self):
            return [record for number, record in enumerate(Maker.chain(self)) if number != which]

    return LeftOut


case("record-left-out", "FAILED", "CHN-01")(left_out(1))
case("record-with-its-place-closed", "FAILED", "CHN-01")(changed(view=staticmethod(lambda record: record.view(("core",)))))
case("record-earlier-than-the-one-before", "FAILED", "CHN-01")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, purpose="trial", append={"time": 1_780_308_000_000})))


def gap(self):
    record = self.act("consultation", {"mode": "view"}, purpose="trial")
    record.exhibit = (EXHIBIT, record.exhibit[1] + 1, record.exhibit[2])
    self.log.heads[b"e" + EXHIBIT] = (record.exhibit[1] + 1, record.commitment)


case("chain-gap", "FAILED", "CHN-01")(changed(between=gap))
case("act-of-a-stranger", "FAILED", "CHN-02")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, JOOST, purpose="trial")))
case("act-for-another-log", "FAILED", "CHN-02")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, purpose="trial", origin="elsewhere.example/log"), opened=lambda self: {}))


def forged(self):
    intent = self.intent("consultation", {"mode": "view"}, purpose="trial", exhibit=EXHIBIT.hex(), chain_seen=self.log.chain_seen(EXHIBIT))
    head, body, signature = intent.split(".")
    self.log.append(f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}", CASE, EXHIBIT)


case("act-with-a-changed-signature", "FAILED", "CHN-02")(changed(between=forged))


def revoked_before(self):
    self.registry("device.enrol", {"certificate": b64(JOOST.certificate)}, OM)
    self.registry("device.revoke", {"device": JOOST.id.hex(), "reason": "left"}, OM)
    self.act("consultation", {"mode": "view"}, JOOST, purpose="trial")


case("act-of-a-revoked-device", "FAILED", "CHN-02")(changed(between=revoked_before))
case("act-after-the-certificate-expired", "FAILED", "CHN-02")(changed(disclose=lambda self, digest: self.act("disclosure", {"form": "dossier", "payload": digest}, purpose="trial", recipients=["Tribunalul Cluj"], append={"time": 1_800_000_000_000}), after=lambda self: None))
case("disclosure-of-another-payload", "FAILED", "CHN-03")(changed(disclose=lambda self, digest: Maker.disclose(self, D[1].hex())))
case("disclosure-that-was-refused", "FAILED", "CHN-03")(changed(disclose=lambda self, digest: self.act("disclosure", {"form": "dossier", "payload": digest}, rule="ACC-06", purpose="trial", recipients=["Tribunalul Cluj"])))


def cut(self):
    return Maker.chain(self)[:-1]


case("chain-cut-before-the-disclosure", "FAILED", "CHN-03")(changed(chain=cut))
case("collection-that-was-refused", "FAILED", "CHN-03")(changed(collect=lambda self: refused_collection(self)))


def refused_collection(self):
    Maker.collect(self)
    record = self.log.records[-1]
    record.rule = "ACC-11"
    self.log.heads[b"e" + EXHIBIT] = (1, record.commitment)
    self.log.heads[b"c" + CASE] = (record.case[1] + 1, record.commitment)


case("act-that-saw-a-larger-log", "FAILED", "CHN-04")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, purpose="trial", seen={"size": 7, "root": D[7].hex()})))


def two_histories(self):
    self.act("consultation", {"mode": "view"}, purpose="trial", seen={"size": 2, "root": self.log.seen(2)["root"]})
    self.act("consultation", {"mode": "view"}, purpose="trial")
    self.act("consultation", {"mode": "view"}, purpose="trial", seen={"size": 2, "root": D[7].hex()})


case("acts-that-saw-two-logs", "FAILED", "CHN-04")(changed(between=two_histories))
case("act-that-saw-a-root-for-the-empty-log", "FAILED", "CHN-04")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, purpose="trial", seen={"size": 0, "root": D[7].hex()})))
case("act-that-saw-another-chain", "FAILED", "CHN-04")(changed(between=lambda self: self.act("consultation", {"mode": "view"}, purpose="trial", chain_seen={"seq": 0, "commitment": D[7].hex()})))

# The exhibit.

MANIFEST = f"data/{FOLDER_OF}manifest.json"
case("manifest-of-other-files", "FAILED", "EXH-01")(changed(payload=with_payload(**{MANIFEST: manifest([("note.txt", b"Not seen.\n")])})))
case("manifest-with-another-salt", "FAILED", "EXH-01")(changed(payload=with_payload(**{MANIFEST: manifest(salt=D[6])})))
case("manifest-with-white-space", "FAILED", "EXH-01")(changed(payload=with_payload(**{MANIFEST: manifest() + b"\n"})))
case("file-changed-and-all-lists-with-it", "FAILED", "EXH-02")(changed(payload=with_payload(**{NOTE: b"Not seen at the station.\n"})))
case("file-that-no-list-of-the-exhibit-names", "FAILED", "EXH-02")(changed(payload=with_payload(**{f"data/{FOLDER_OF}files/more.txt": b"x"})))
case("file-named-for-another", "FAILED", "EXH-02")(changed(payload=with_payload(**{f"data/{FOLDER_OF}files.json": b'["empty.bin","note.txt"]'})))
case("file-named-twice", "FAILED", "EXH-02")(changed(payload=with_payload(**{f"data/{FOLDER_OF}files.json": b'["note.txt","note.txt"]'})))


class DigestsWithFiles(Maker):
    included = False

    def payload(self):
        names = {f"data/{FOLDER_OF}files.json": b'["note.txt"]', NOTE: b"smuggled"}
        return {**Maker.payload(self), **names}


case("files-in-a-dossier-of-digests", "FAILED", "EXH-02")(DigestsWithFiles)
case("reason-key-of-another-act", "FAILED", "EXH-03")(changed(opened=lambda self: exchanged(Maker.opened(self))))
case("reason-key-for-no-act-of-the-chain", "FAILED", "EXH-03")(changed(opened=lambda self: {**Maker.opened(self), "0": D[1].hex()}))
case("reason-key-given-twice", "FAILED", "EXH-03")(changed(payload=lambda self: {path: twice(data) if path.endswith("reasons.json") else data for path, data in Maker.payload(self).items()}))
case("reason-key-short", "FAILED", "EXH-03")(changed(opened=lambda self: {index: key[2:] for index, key in Maker.opened(self).items()}))
case("reasons-missing", "FAILED", "EXH-03")(changed(payload=lambda self: {path: data for path, data in Maker.payload(self).items() if not path.endswith("reasons.json")}))


def twice(data):
    first = data[1:].partition(b",")[0]
    return b"{" + first + b"," + data[1:]


def exchanged(keys):
    return dict(zip(keys, reversed(list(keys.values()))))


def run():
    from . import make_dossier_attacks, make_dossier_stamps  # They add to CASES.

    cases = []
    for name, verdict, first, trust, maker in CASES:
        keep(f"dossier/{name}.zip", maker().make())
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in trust.items())
        cases.append({"name": name, "expect": verdict, "first": first, "dossier": f"{name}.zip", "trust": text})
    what = "whole dossiers, the judge's trust file, the verdict, and the first check in the order of docs/spec/dossier.md that keeps it from PASSED"
    keep("dossier/cases.json", (json.dumps({"what": what, "cases": cases}, indent=1, ensure_ascii=False) + "\n").encode())


