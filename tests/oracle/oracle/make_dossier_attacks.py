"""Cases of make_dossier: what somebody would try who wants a court to believe another history."""

import json
import struct
import zlib

from . import log, world
from .common import ORDER, Key, b64, b64url, compact, unb64, unb64url
from .make_dossier import D, FOLDER_OF, NOTE, PROOF, TRUST, VIEWS, Maker, at, case, changed, lines, rooted, zipped
from .world import AUDITOR, AUDITOR_KEY, AUDITOR_NAME, CASE, EXHIBIT, JOOST, LOG_KEY, OM, ORIGIN, seed

STRANGER = Key(seed("a stranger"))
WITNESS_NAME, WITNESS_KEY = "witness.example/w", Key(seed("witness"))
WITNESS = log.vkey(WITNESS_NAME, 4, WITNESS_KEY.public)


def views(change):
    """The chain's lines after a change; the proofs stay."""
    return changed(damage=at(VIEWS, lambda data: lines(change(data.decode().splitlines()))))


# Entries.

case("record-swapped-with-the-next", "FAILED", "LOG-02")(views(lambda rows: [rows[1], rows[0], *rows[2:]]))
case("record-twice", "FAILED", "LOG-02")(views(lambda rows: [rows[0], rows[1], rows[1], *rows[2:]]))


def rewritten(rows):
    """Another time in the core of the second record, under the salt that was given."""
    view = json.loads(rows[1])
    core = bytearray(unb64(view["core"]["bytes"]))
    core[15] ^= 1
    view["core"]["bytes"] = b64(bytes(core))
    return [rows[0], compact(view), *rows[2:]]


case("record-with-a-bit-changed", "FAILED", "LOG-02")(views(rewritten))


class Inserted(Maker):
    """A record that the log never had, made of a genuine intent."""

    def chain(self):
        records = Maker.chain(self)
        forged = world.Log()
        forged.heads[b"e" + EXHIBIT] = (1, records[0].commitment)
        record = forged.append(records[1].intent, CASE, EXHIBIT, index=records[1].index)
        return [records[0], record, *records[2:]]


case("record-inserted-for-another", "FAILED", "LOG-02")(Inserted)
OTHER_CASE = bytes([0xCB]) * 16


class ForAnotherCase(Maker):
    """An accepted act whose intent is of another case."""

    def between(self):
        intent = self.intent("consultation", {"mode": "view"}, purpose="trial", exhibit=EXHIBIT.hex(), chain_seen=self.log.chain_seen(EXHIBIT),
                             case=OTHER_CASE.hex(), group={"id": OTHER_CASE.hex() + "00000000", "epoch": 0, "transcript": ""})
        self.log.append(intent, CASE, EXHIBIT)


case("record-of-another-case", "FAILED", "CHN-02")(ForAnotherCase)


class OfAnotherExhibit(Maker):
    """A genuine record of another exhibit's chain in this one's place."""

    other = bytes([0xE2]) * 16

    def between(self):
        self.act("consultation", {"mode": "view"}, purpose="trial")
        intent = self.intent("consultation", {"mode": "view"}, purpose="trial", exhibit=self.other.hex(), chain_seen=self.log.chain_seen(EXHIBIT))
        self.log.append(intent, CASE, self.other)

    def chain(self):
        records = Maker.chain(self)
        other = next(record for record in self.log.records if record.exhibit and record.exhibit[0] == self.other)
        return [records[0], other, *records[2:]]


case("record-of-another-exhibit", "FAILED", "CHN-01")(OfAnotherExhibit)

# Chains.


def forked(self):
    """Two records after the collection; the dossier gives the second branch."""
    before = dict(self.log.heads)
    self.act("consultation", {"mode": "view"}, purpose="trial")
    self.log.heads[b"e" + EXHIBIT] = before[b"e" + EXHIBIT]
    self.act("consultation", {"mode": "view"}, purpose="trial")


case("chain-forked", "FAILED", "CHN-01")(changed(between=forked))


class Longer(Maker):
    def between(self):
        for _ in range(3):
            Maker.between(self)


case("chain-cut-in-the-middle", "FAILED", "CHN-01")(type("Cut", (Longer,), {"chain": lambda self: (lambda rows: [*rows[:2], *rows[-1:]])(Maker.chain(self))}))
case("chain-without-its-collection", "FAILED", "CHN-01")(changed(chain=lambda self: Maker.chain(self)[1:]))
case("chain-of-nothing", "FAILED", "CHN-03")(changed(damage=lambda self, entries: entries.update({VIEWS: b"", PROOF: b""}), opened=lambda self: {}))

# Proofs and checkpoints.


def proofs(change):
    return changed(damage=at(PROOF, lambda data: lines(change(data.decode().splitlines()))))


case("proof-of-another-leaf", "FAILED", "LOG-02")(proofs(lambda rows: [rows[1], *rows[1:]]))
case("proof-of-no-hashes", "FAILED", "LOG-02")(proofs(lambda rows: ["", *rows[1:]]))
case("proof-of-too-many-hashes", "FAILED", "LOG-02")(proofs(lambda rows: [rows[0] + " " + "00" * 32, *rows[1:]]))
case("proof-of-64-hashes", "FAILED", "LOG-02")(proofs(lambda rows: [" ".join(["00" * 32] * 64), *rows[1:]]))


def head(size, root=None, key=LOG_KEY, origin=ORIGIN, cosign=((AUDITOR_NAME, AUDITOR_KEY),), own=True, signature=None):
    """Another final checkpoint, cosigned by the auditor."""

    def step(self, entries):
        leaves = self.log.leaves()
        count = len(leaves) if size is None else size
        text = log.body(origin, count, root if root is not None else log.root(leaves[:count]))
        signed = signature(key.sign(text.encode())) if signature else key.sign(text.encode())
        note = text + "\n" + (log.signature_line(origin, log.key_id(origin, 1, key.public), signed) if own else "")
        for name, cosigner in cosign:
            line = cosigner.sign(f"cosignature/v1\ntime {self.cosigned}\n{text}".encode())
            note += log.signature_line(name, log.key_id(name, 4, cosigner.public), self.cosigned.to_bytes(8, "big") + line)
        entries["custody/checkpoint"] = note.encode()

    return changed(damage=step)


case("checkpoint-of-size-0", "FAILED", "LOG-02")(head(0))
case("checkpoint-of-size-0-with-another-root", "FAILED", "LOG-01")(head(0, root=D[7]))
case("checkpoint-of-size-1", "FAILED", "LOG-02")(head(1))
case("checkpoint-of-the-largest-size", "FAILED", "LOG-02")(head(1 << 48, root=D[7]))
case("checkpoint-over-the-largest-size", "FAILED", "LOG-01")(head((1 << 48) + 1, root=D[7]))
case("checkpoint-of-a-size-of-65-bits", "FAILED", "LOG-01")(head(1 << 64, root=D[7]))
case("checkpoint-older-than-the-disclosure", "FAILED", "LOG-02")(head(5))
case("checkpoint-of-another-root", "FAILED", "LOG-02")(head(None, root=D[7]))
case("checkpoint-of-another-origin", "FAILED", "LOG-01")(head(None, origin="elsewhere.example/log"))
case("checkpoint-signed-by-the-auditor-alone", "FAILED", "LOG-01")(head(None, own=False))
case("checkpoint-unsigned", "FAILED", "LOG-01")(head(None, own=False, cosign=()))
case("checkpoint-by-a-retired-key", "FAILED", "LOG-01", log=log.vkey(ORIGIN, 1, Key(seed("the log's next key")).public))(Maker)
case("checkpoint-missing", "FAILED", "LOG-01")(changed(damage=at("custody/checkpoint", None)))
case("checkpoint-over-the-limit", "FAILED", "LOG-01")(changed(damage=at("custody/checkpoint", lambda data: data + b"x" * (1 << 20))))


def malleable(signature):
    """S plus the order of the group: some tools take it, RFC 8032 does not."""
    return signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")


case("checkpoint-with-a-signature-that-tools-disagree-on", "FAILED", "LOG-01")(head(None, signature=malleable))

TWO = f"witness auditor {AUDITOR}\nwitness w {WITNESS}\ngroup both 2 auditor w\nquorum both\n"
EITHER = f"witness auditor {AUDITOR}\nwitness w {WITNESS}\ngroup either 1 auditor w\nquorum either\n"
BOTH = ((AUDITOR_NAME, AUDITOR_KEY), (WITNESS_NAME, WITNESS_KEY))
case("quorum-of-two-met-by-two", "PASSED", policy=TWO)(head(None, cosign=BOTH))
case("quorum-of-one-of-two", "PASSED", policy=EITHER)(Maker)
case("quorum-of-two-met-by-one", "INDETERMINATE", "LOG-03", policy=TWO)(Maker)
case("quorum-of-two-met-by-the-auditor-twice", "INDETERMINATE", "LOG-03", policy=TWO)(head(None, cosign=(BOTH[0], BOTH[0])))
case("cosigned-by-a-stranger-of-the-auditors-name", "INDETERMINATE", "LOG-03")(head(None, cosign=((AUDITOR_NAME, STRANGER),)))
case("cosignature-of-another-checkpoint", "FAILED", "LOG-03")(changed(damage=at("custody/checkpoint", lambda data: other_cosigned(data))))


def other_cosigned(data):
    text = log.body(ORIGIN, 6, D[7])
    line = AUDITOR_KEY.sign(f"cosignature/v1\ntime 1780400000\n{text}".encode())
    own = data.decode().rsplit("— ", 1)[0]
    return (own + log.signature_line(AUDITOR_NAME, log.key_id(AUDITOR_NAME, 4, AUDITOR_KEY.public), (1780400000).to_bytes(8, "big") + line)).encode()


# Files.


def moved(self, entries):
    entries[NOTE + ".bak"] = entries.pop(NOTE)


def exchanged(self, entries):
    names = sorted(name for name in entries if name.startswith(f"data/{FOLDER_OF}files/"))[:2]
    entries[names[0]], entries[names[1]] = entries[names[1]], entries[names[0]]


case("bag-file-truncated", "FAILED", "DOS-02")(changed(damage_listed=at(NOTE, lambda data: data[:-1])))
case("bag-file-with-a-bit-changed", "FAILED", "DOS-02")(changed(damage_listed=at(NOTE, lambda data: bytes([data[0] ^ 1]) + data[1:])))
case("bag-file-renamed", "FAILED", "DOS-02")(changed(damage_listed=moved))
case("bag-files-exchanged", "FAILED", "DOS-02")(changed(damage_listed=exchanged))
case("bag-tag-file-with-a-bit-changed", "FAILED", "DOS-02")(changed(damage_listed=at("custody/checkpoint", lambda data: data[:-3] + b"A" + data[-2:])))
case("bag-without-its-payload-list", "FAILED", "DOS-02")(changed(damage_listed=at("manifest-sha256.txt", None)))

# What is smuggled in.

SMUGGLED = {
    "custody/log.txt": (log.vkey(ORIGIN, 1, STRANGER.public) + "\n").encode(),
    "trust.toml": "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**TRUST, "log": log.vkey(ORIGIN, 1, STRANGER.public)}.items()).encode(),
    "verify.html": b"<h1>PASSED</h1>\n",
    "custodia-verify": b"#!/bin/sh\necho PASSED\n",
}


def with_smuggled(base, **more):
    def damage(self, entries):
        base.damage(self, entries)
        entries.update(SMUGGLED)

    return type("Smuggled", (base,), {"damage": damage, **more})


case("with-a-key-and-a-verifier-that-prove-nothing", "PASSED")(with_smuggled(Maker))
case("key-and-verifier-of-a-forger-smuggled-in", "FAILED", "LOG-01")(with_smuggled(changed(log_key=STRANGER)))
case("report-that-says-passed-in-a-dossier-that-fails", "FAILED", "CHN-03")(
    changed(chain=lambda self: Maker.chain(self)[:-1], damage=lambda self, entries: entries.update({"report/report.en.html": b"<h1>PASSED</h1>\n"})))

# Devices and signatures.


def revoked_between(self):
    """An act before the revocation stands, one after it does not."""
    self.registry("device.enrol", {"certificate": b64(JOOST.certificate)}, OM)
    self.act("consultation", {"mode": "view"}, JOOST, purpose="trial")
    self.registry("device.revoke", {"device": JOOST.id.hex(), "reason": "lost"}, OM)


def revoked_and_used(self):
    revoked_between(self)
    self.act("consultation", {"mode": "view"}, JOOST, purpose="trial")


case("with-an-act-before-its-device-was-revoked", "PASSED")(changed(between=revoked_between))
case("act-after-its-device-was-revoked", "FAILED", "CHN-02")(changed(between=revoked_and_used))


def disagreed(self):
    intent = self.intent("consultation", {"mode": "view"}, purpose="trial", exhibit=EXHIBIT.hex(), chain_seen=self.log.chain_seen(EXHIBIT))
    start, body, signature = intent.split(".")
    self.log.append(f"{start}.{body}.{b64url(malleable(unb64url(signature)))}", CASE, EXHIBIT)


case("act-with-a-signature-that-tools-disagree-on", "FAILED", "CHN-02")(changed(between=disagreed))

# Archives. Names, links, compression and what ZIP64 says.


def rezipped(change):
    """The whole file after a change of its bytes."""
    return changed(zip=lambda self, entries: change(zipped(rooted(entries))))


def named(name):
    return changed(zip=lambda self, entries: zipped([*rooted(entries), (name, b"x")]))


case("archive-name-absolute", "FAILED", "DOS-01")(named("/dossier/x"))
case("archive-name-of-a-drive", "FAILED", "DOS-01")(named("C:\\dossier\\x"))
case("archive-name-with-backslashes", "FAILED", "DOS-01")(named("dossier/..\\x"))
case("archive-name-that-climbs-far", "FAILED", "DOS-01")(named("dossier/data/../../../../etc/cron.d/x"))
case("archive-name-with-an-empty-part", "FAILED", "DOS-01")(named("dossier//x"))
case("archive-name-with-a-line-feed", "FAILED", "DOS-01")(named("dossier/a\nb"))
case("archive-name-with-a-nul", "FAILED", "DOS-01")(named("dossier/bagit.txt\0.exe"))
case("archive-name-over-1024-bytes", "FAILED", "DOS-01")(named("dossier/" + "x" * 1025))


def directory(change, which=0):
    """Changes the fields of a central directory entry: flags, method, crc, packed, size, external, local."""

    def step(data):
        at_ = data.index(b"PK\1\2")
        for _ in range(which):
            at_ = data.index(b"PK\1\2", at_ + 1)
        places = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"), "size": (24, "<I"), "disk": (34, "<H"), "external": (38, "<I"), "local": (42, "<I")}
        data = bytearray(data)
        for name, value in change.items():
            place, form = places[name]
            struct.pack_into(form, data, at_ + place, value)
        return bytes(data)

    return step


case("archive-with-a-link", "FAILED", "DOS-01")(rezipped(directory({"external": 0o120777 << 16})))
case("archive-entries-that-overlap", "FAILED", "DOS-01")(rezipped(directory({"local": 0}, 1)))
case("archive-entry-larger-than-the-file", "FAILED", "DOS-01")(rezipped(directory({"packed": 1 << 30, "size": 1 << 30})))
case("archive-entry-that-says-it-grows", "FAILED", "DOS-01")(rezipped(directory({"size": (1 << 32) - 2})))
case("archive-entry-encrypted", "FAILED", "DOS-01")(rezipped(directory({"flags": 1})))
case("archive-directory-deflated", "FAILED", "DOS-01")(rezipped(directory({"method": 8})))


def bomb(self, entries):
    """A megabyte of nothing in a thousand bytes: what is compressed is not read at all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(1 << 20)) + packer.flush()
    name = b"dossier/custody/bomb"
    data = zipped([("dossier/custody/bomb", packed)], local=lambda fields, name: {**fields, "method": 8, "size": 1 << 20, "crc": zlib.crc32(bytes(1 << 20))})
    return directory({"method": 8, "size": 1 << 20, "crc": zlib.crc32(bytes(1 << 20))})(data) if name in data else data


case("archive-bomb", "FAILED", "DOS-01")(changed(zip=bomb))


def end(**change):
    def step(data):
        data = bytearray(data)
        places = {"disk": (4, "<H"), "here": (8, "<H"), "count": (10, "<H"), "size": (12, "<I"), "offset": (16, "<I"), "comment": (20, "<H")}
        for name, value in change.items():
            place, form = places[name]
            struct.pack_into(form, data, len(data) - 22 + place, value)
        return bytes(data)

    return step


case("archive-end-that-counts-fewer", "FAILED", "DOS-01")(rezipped(lambda data: end(here=3, count=3)(data)))
case("archive-end-of-another-disk", "FAILED", "DOS-01")(rezipped(end(disk=1)))
case("archive-end-with-another-offset", "FAILED", "DOS-01")(rezipped(lambda data: end(offset=struct.unpack_from("<I", data, len(data) - 6)[0] + 1)(data)))
case("archive-end-with-a-comment", "FAILED", "DOS-01")(rezipped(lambda data: end(comment=1)(data) + b"x"))
case("archive-cut-short", "FAILED", "DOS-01")(rezipped(lambda data: data[:-30]))
case("archive-within-an-archive-after-it", "FAILED", "DOS-01")(rezipped(lambda data: data + data))


def unsaid(self, entries):
    """Neither the directory nor the header says that the name is UTF-8: other tools would show it in code page 437."""
    data = bytearray(zipped(rooted(entries)))
    at_ = struct.unpack_from("<I", data, len(data) - 6)[0]
    while data[at_ : at_ + 4] == b"PK\1\2":
        if struct.unpack_from("<H", data, at_ + 8)[0]:
            struct.pack_into("<H", data, at_ + 8, 0)
            struct.pack_into("<H", data, struct.unpack_from("<I", data, at_ + 42)[0] + 6, 0)
        at_ += 46 + sum(struct.unpack_from("<HHH", data, at_ + 28))
    return bytes(data)


case("archive-name-in-utf-8-that-does-not-say-so", "FAILED", "DOS-01")(changed(files=[("Mărturie/Ș.txt", b"x")], zip=unsaid))


def out_of_order(self, entries):
    """The directory lists the first two entries the other way round."""
    data = zipped(rooted(entries))
    start = struct.unpack_from("<I", data, len(data) - 6)[0]
    one = data.index(b"PK\1\2", start + 4)
    two = data.index(b"PK\1\2", one + 4)
    return data[:start] + data[one:two] + data[start:one] + data[two:]


case("archive-directory-in-another-order", "FAILED", "DOS-01")(changed(zip=out_of_order))


def zip64(count=None, offset=None, size=None, at_=None, directory_size=None):
    """The same archive with the records of ZIP64 before its end, which the end's own fields point to; a value given is a lie."""

    def step(data):
        _, _, here, _, length, start, _ = struct.unpack("<HHHHIIH", data[-18:])
        place = len(data) - 22
        record = struct.pack(
            "<IQHHIIQQQQ", 0x06064B50, 44 if size is None else size, 45, 45, 0, 0, here if count is None else count, here if count is None else count,
            length if directory_size is None else directory_size, start if offset is None else offset,
        )
        locator = struct.pack("<IIQI", 0x07064B50, 0, place if at_ is None else at_, 1)
        return data[:-22] + record + locator + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)

    return step


case("archive-zip64", "PASSED")(rezipped(zip64()))
case("archive-zip64-count-that-lies", "FAILED", "DOS-01")(rezipped(zip64(count=3)))
case("archive-zip64-count-over-the-limit", "FAILED", "DOS-01")(rezipped(zip64(count=1 << 40)))
case("archive-zip64-offset-that-lies", "FAILED", "DOS-01")(rezipped(zip64(offset=1)))
case("archive-zip64-offset-past-the-end", "FAILED", "DOS-01")(rezipped(zip64(offset=(1 << 64) - 1)))
case("archive-zip64-locator-that-lies", "FAILED", "DOS-01")(rezipped(zip64(at_=1 << 40)))


def entry64(value):
    """The first entry has its size in an extra field of ZIP64, in the directory alone or with another value."""

    def step(self, entries):
        data = zipped(rooted(entries))
        first = data.index(b"PK\1\2")
        name_len = struct.unpack_from("<H", data, first + 28)[0]
        real = struct.unpack_from("<I", data, first + 24)[0]
        extra = struct.pack("<HHQQ", 1, 16, real if value is None else value, real if value is None else value)
        changed_ = bytearray(data)
        struct.pack_into("<II", changed_, first + 20, 0xFFFFFFFF, 0xFFFFFFFF)
        struct.pack_into("<H", changed_, first + 30, len(extra))
        cut = first + 46 + name_len
        whole = bytes(changed_[:cut]) + extra + bytes(changed_[cut:])
        length = struct.unpack_from("<I", whole, len(whole) - 10)[0]
        return end(size=length + len(extra))(whole)

    return changed(zip=step)


def extended(extra, to=1, where="both"):
    """One entry (the second, if nothing is said) has an extra field, in its own header, in the directory or in both."""

    def step(self, entries):
        data = zipped(rooted(entries))
        listed = data.index(b"PK\1\2")
        for _ in range(to):
            listed = data.index(b"PK\1\2", listed + 1)
        name_len, local = struct.unpack_from("<H", data, listed + 28)[0], struct.unpack_from("<I", data, listed + 42)[0]
        if where != "header":
            cut = listed + 46 + name_len
            data = data[: listed + 30] + struct.pack("<H", len(extra)) + data[listed + 32 : cut] + extra + data[cut:]
            data = end(size=struct.unpack_from("<I", data, len(data) - 10)[0] + len(extra))(data)
        if where != "directory":
            cut = local + 30 + name_len
            data = data[: local + 28] + struct.pack("<H", len(extra)) + data[local + 30 : cut] + extra + data[cut:]
            data = moved(data, local, len(extra))
        return data

    return changed(zip=step)


def moved(data, after, by):
    """The places of entries, and of the directory, that lie behind what became longer."""
    data = bytearray(data)
    start = struct.unpack_from("<I", data, len(data) - 6)[0] + by
    struct.pack_into("<I", data, len(data) - 6, start)
    at_ = start
    while data[at_ : at_ + 4] == b"PK\1\2":
        local = struct.unpack_from("<I", data, at_ + 42)[0]
        struct.pack_into("<I", data, at_ + 42, local + (by if local > after else 0))
        at_ += 46 + sum(struct.unpack_from("<HHH", data, at_ + 28))
    return bytes(data)


SECOND_NAME = b"dossier/custody/another"
for title, extra, where in (
    ("of-unix-times", struct.pack("<HHBI", 0x5455, 5, 1, 1_795_467_845), "both"),
    ("of-a-second-name", struct.pack("<HHBI", 0x7075, 5 + len(SECOND_NAME), 1, 0) + SECOND_NAME, "directory"),
    ("of-zip64-that-nothing-needs", struct.pack("<HHQ", 1, 8, 3), "directory"),
    ("cut-short", b"\1\0\x10", "directory"),
    ("in-its-own-header-alone", struct.pack("<HHQQ", 1, 16, 3, 3), "header"),
):
    case(f"archive-entry-with-an-extra-field-{title}", "FAILED", "DOS-01")(extended(extra, where=where))


def commented(data):
    """The last entry of the directory has a comment."""
    at_ = data.rindex(b"PK\1\2")
    data = data[: at_ + 32] + struct.pack("<H", 3) + data[at_ + 34 : -22] + b"who" + data[-22:]
    return end(size=struct.unpack_from("<I", data, len(data) - 10)[0] + 3)(data)


case("archive-entry-with-a-comment", "FAILED", "DOS-01")(rezipped(commented))
case("archive-end-with-another-size-of-the-directory", "FAILED", "DOS-01")(rezipped(lambda data: end(size=struct.unpack_from("<I", data, len(data) - 10)[0] - 1)(data)))
case("archive-entry-of-another-disk", "FAILED", "DOS-01")(rezipped(directory({"disk": 1}, 1)))
case("archive-with-a-folder-of-dos", "FAILED", "DOS-01")(rezipped(directory({"external": 0x10}, 1)))
case("archive-zip64-entry", "PASSED")(entry64(None))
case("archive-zip64-entry-whose-size-lies", "FAILED", "DOS-01")(entry64(1 << 50))
case("archive-zip64-entry-of-no-bytes", "FAILED", "DOS-01")(entry64(0))


# Forms that some readers forgive.

case("archive-with-a-label-of-dos", "FAILED", "DOS-01")(rezipped(directory({"external": 0x08}, 1)))
case("archive-name-with-a-version", "FAILED", "DOS-01")(named("dossier/custody/log.txt;1"))
case("archive-entry-in-a-folder-that-is-an-entry", "FAILED", "DOS-01")(named("dossier/custody/checkpoint/more"))
case("archive-zip64-counts-that-differ", "FAILED", "DOS-01")(rezipped(lambda data: end(here=3)(zip64()(data))))
case("files-with-a-line-separator-in-a-name", "PASSED")(changed(files=[("\u2028a", b"x")]))
case("newer-version-in-an-array", "FAILED", "DOS-03")(changed(payload=lambda self: {**Maker.payload(self), "data/dossier.json": b"[2]"}))
case("newer-version-beside-half-a-surrogate", "FAILED", "DOS-03")(changed(payload=lambda self: {**Maker.payload(self), "data/dossier.json": b'{"version":2,"x":"\\ud800"}'}))
case("newer-version-written-loosely", "INDETERMINATE", "DOS-03")(changed(payload=lambda self: {**Maker.payload(self), "data/dossier.json": b'{ "version" : 2 }'}))
for title, name, first in (
    ("of-chain-proofs", PROOF, "LOG-02"),
    ("of-the-chain", PROOF.replace(".proof", ".ndjson"), "CHN-01"),
    ("of-the-registry", "custody/registry.ndjson", "TRU-01"),
    ("of-the-registry-proof", "custody/registry.proof", "TRU-01"),
):
    # Of a chain that cannot be read the proofs are too many, which comes before CHN-01.
    case(f"last-line-that-does-not-end-{title}", "FAILED", "LOG-02" if first == "CHN-01" else first)(changed(damage=at(name, lambda data: data[:-1])))
    case(f"lines-that-end-in-two-characters-{title}", *(("PASSED",) if name.endswith("ndjson") else ("FAILED", first)))(changed(damage=at(name, lambda data: data.replace(b"\n", b"\r\n"))))
    case(f"empty-line-at-the-end-{title}", "FAILED", first)(changed(damage=at(name, lambda data: data + b"\n")))


def tag_list(change):
    def step(self, entries):
        entries["tagmanifest-sha256.txt"] = change(entries["tagmanifest-sha256.txt"])

    return changed(damage_listed=step)


case("last-line-that-does-not-end-of-a-list", "FAILED", "DOS-02")(tag_list(lambda data: data[:-1]))
case("lines-that-end-in-two-characters-of-a-list", "FAILED", "DOS-02")(tag_list(lambda data: data.replace(b"\n", b"\r\n")))
case("list-that-is-not-utf-8", "FAILED", "DOS-02")(tag_list(lambda data: data + b"\xff\n"))
