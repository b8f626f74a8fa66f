"""docs/spec/dossier.md: reading a dossier and judging it. Findings are pairs of a check's id and what became of it."""

import hashlib
import re
import struct
import unicodedata
import zlib

from blake3 import blake3

from . import custody, exhibit, identity, log, stamp
from .common import Refused, array, digest, hex_id, members, need, one_encoding, one_of, parse_json, rfc3339, sha256, unb64url, unhex

MOST = 1 << 24


class Zip:
    """The entries of a ZIP file whose every byte is accounted for."""

    def __init__(self, data):
        at = len(data) - 22
        need(at >= 0 and data[at : at + 4] == b"PK\5\6", "no end of the central directory, or something after it")
        disk, first, here, count, size, offset, comment = struct.unpack("<HHHHIIH", data[at + 4 :])
        need(here == count, "parts of several files")
        if at >= 20 and data[at - 20 : at - 16] == b"PK\6\7":
            of_disk, place, disks = struct.unpack("<IQI", data[at - 16 : at])
            at -= 76
            need(at >= 0 and (of_disk, place, disks) == (0, at, 1) and data[at : at + 4] == b"PK\6\6", "no end record of ZIP64 there")
            length, _, _, disk64, first64, here64, count64, size64, offset64 = struct.unpack("<QHHIIQQQQ", data[at + 4 : at + 56])
            need((length, disk64, first64) == (44, 0, 0), "another end record of ZIP64")
            for short, full, most in ((here, here64, 0xFFFF), (count, count64, 0xFFFF), (size, size64, 0xFFFFFFFF), (offset, offset64, 0xFFFFFFFF)):
                need(short in (full, most), "two ends that do not agree")
            here, count, size, offset = here64, count64, size64, offset64
        need(count <= 1_000_000, "more entries than any dossier has")
        need((disk, first, comment) == (0, 0, 0) and here == count and offset + size == at, "another central directory")
        self.entries, end = {}, 0
        position = offset
        for _ in range(count):
            need(data[position : position + 4] == b"PK\1\2" and position + 46 <= at, "not an entry of the central directory")
            (_, _, flags, method, _, _, crc, packed, unpacked, name_len, extra_len, comment_len, disk_number, _, external, local) = struct.unpack(
                "<HHHHHHIIIHHHHHII", data[position + 4 : position + 46])
            name = data[position + 46 : position + 46 + name_len]
            extra = data[position + 46 + name_len : position + 46 + name_len + extra_len]
            position += 46 + name_len + extra_len
            need(comment_len == disk_number == 0, "a comment, or another disk")
            need(packed == unpacked, "two sizes")
            unpacked, packed, local = zip64(extra, unpacked, packed, local)
            need(method == 0 and packed == unpacked and flags & ~0x0800 == 0, "compressed, encrypted or of unknown length")
            need(flags or name.isascii(), "a name of which is not said that it is UTF-8")
            need(external >> 28 & 15 in (0, 8) and external & 24 == 0, "not a file")
            need(local == end and data[local : local + 4] == b"PK\3\4", "a gap or overlap")
            fields = struct.unpack("<HHHHHIIIHH", data[local + 4 : local + 30])
            start = local + 30 + fields[8] + fields[9]
            need((fields[1], fields[2], fields[5]) == (flags, 0, crc), "another local header")
            own = zip64(data[local + 30 + fields[8] : start], fields[7], fields[6])
            need(fields[6] == fields[7] and own == [unpacked, packed], "another local size")
            need(data[local + 30 : local + 30 + fields[8]] == name, "another local name")
            end = start + packed
            need(end <= offset, "an entry runs into the directory")
            content = data[start:end]
            need(zlib.crc32(content) == crc, "another CRC")
            try:
                name = name.decode()
            except UnicodeDecodeError:
                raise Refused("a name that is not UTF-8") from None
            need(name.startswith("dossier/") and "\\" not in name, "outside dossier/")
            need(len(name[8:].encode()) <= 1024 and all(unicodedata.category(c) != "Cc" for c in name), "a name that is too long, or with a control character")
            need(all(piece not in ("", ".", "..") for piece in name.split("/")), "a name that climbs")
            need(not re.search(";[0-9]*$", name), "a name that ends in a version")
            need(name not in self.entries, "a name twice")
            self.entries[name] = content
        need(position == at and end == offset, "bytes that belong to nothing")
        for name in self.entries:
            parts = name.split("/")
            need(not any("/".join(parts[:some]) in self.entries for some in range(1, len(parts))), "a folder that is an entry")
        self.entries = {name[8:]: content for name, content in self.entries.items()}


def zip64(extra, *fields):
    """The sizes and place of an entry; those that do not fit stand in its extra field, which holds nothing else."""
    values = []
    if extra:
        need(len(extra) >= 12 and struct.unpack("<HH", extra[:4]) == (1, len(extra) - 4) and len(extra) % 8 == 4, "an extra field of another kind")
        values = [int.from_bytes(extra[at : at + 8], "little") for at in range(4, len(extra), 8)]
    need(len(values) == fields.count(0xFFFFFFFF), "an extra field with other numbers than are wanted")
    return [values.pop(0) if field == 0xFFFFFFFF else field for field in fields]


def bag(entries):
    need(entries.get("bagit.txt") == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "not a bag of version 1.0")
    listed = {}
    for name, of in (("manifest-sha256.txt", True), ("tagmanifest-sha256.txt", False)):
        need(name in entries, f"no {name}")
        for line in text_lines(entries[name]):
            value, gap, path = line.partition("  ")
            need(gap and path not in listed and path.startswith("data/") == of, "a line that lists nothing, twice or elsewhere")
            listed[path] = unhex(value, 32)
    need(set(listed) == set(entries) - {"tagmanifest-sha256.txt"}, "files missing or extra")
    for path, wanted in listed.items():
        need(sha256(entries[path]) == wanted, f"{path} is another file")


def text_lines(data):
    need(data == b"" or data.endswith(b"\n"), "the last line does not end")
    return data.decode().split("\n")[:-1]


def view_lines(data):
    return [custody.View(parse_json(line)) for line in text_lines(data)]


def proof_line(line):
    return [digest(one) for one in line.split(" ")] if line else []


class Trust:
    def __init__(self, said):
        self.origin, self.key, self.pin = said["origin"], log.log_key(said["log"]), unhex(said["trust_pin"], 32)
        need(self.key.name == self.origin, "the key of another log")
        policy = log.Policy(f"log {said['log']}\n{said['policy']}".encode()) if said.get("policy", "").strip() else None
        self.policy = policy if policy and policy.quorum != b"none" else None
        self.roots, self.demanded, self.window = stamp.roots(said.get("tsa_roots", "")), said.get("stamps") == "demanded", said.get("stamp_window_seconds")
        need(said.get("stamps", "shown") in ("shown", "demanded") and (self.roots or not self.demanded), "demands stamps of nobody")


class Verdict:
    def __init__(self, data, trust):
        self.findings, self.trust, self.registry = [], trust, None
        if self.made("DOS-01", lambda: setattr(self, "files", Zip(data).entries)):
            self.made("DOS-02", lambda: bag(self.files))
            try:
                self.log(self.made("DOS-03", self.index))
            except Newer:
                self.log(False)

    def made(self, check, call):
        try:
            call()
        except (Refused, KeyError, UnicodeDecodeError) as error:
            self.findings.append((check, "failed", str(error)))
            return False
        self.findings.append((check, "passed", ""))
        return True

    def index(self):
        need(len(self.files["data/dossier.json"]) <= 16 << 20, "larger than any index")
        said = parse_json(self.files["data/dossier.json"])
        if isinstance(said, dict) and type(said.get("version")) is int and 1 < said["version"] < 1 << 32:
            self.findings.append(("DOS-03", "not-checked", "a newer version"))
            raise Newer
        said = one_encoding(self.files["data/dossier.json"])
        members(said, "version case origin made by recipients exhibits files withheld")
        need(said["version"] == 1, "another version")
        self.case, self.origin = hex_id(said["case"]), said["origin"]
        rfc3339(said["made"])
        identity.person_id(said["by"])
        need(all(isinstance(one, str) for one in array(said["recipients"])), "not texts")
        self.exhibits = [hex_id(one) for one in array(said["exhibits"], 1)]
        one_of(said["files"], {"included", "digests"})
        self.included = said["files"] == "included"
        for one in array(said["withheld"]):
            members(one, "exhibit ground")
            need(one["exhibit"] is None or hex_id(one["exhibit"]), "not an exhibit")
            need(isinstance(one["ground"], str) and one["ground"].strip(), "not a ground")
        held_back = [hex_id(one["exhibit"]) for one in said["withheld"] if one["exhibit"]]
        need(len(set(held_back)) == len(held_back) and not set(held_back) & set(self.exhibits), "withheld twice, or given too")
        need(self.origin == self.trust.origin, "of another log")
        need(len(set(self.exhibits)) == len(self.exhibits), "an exhibit twice")
        folders = [f"data/exhibits/{one.hex()}/" for one in self.exhibits]
        known = {"data/dossier.json"} | {folder + name for folder in folders for name in ("manifest.json", "files.json", "reasons.json")}
        for path in self.files:
            need(not path.startswith("data/") or path in known or any(path.startswith(folder + "files/") for folder in folders), "a file of no exhibit")

    def log(self, indexed):
        """`indexed`: the index says of what to speak."""
        if not self.made("LOG-01", self.checkpoint):
            return
        if self.trust.policy is None:
            self.findings.append(("LOG-03", "not-checked", "no policy"))
        else:
            try:
                met = self.trust.policy.judge(self.head)
            except Refused as error:
                self.findings.append(("LOG-03", "failed", str(error)))
            else:
                self.findings.append(("LOG-03", "passed" if met else "not-checked", "quorum"))
        self.stamps = []
        self.stamped()
        if not indexed:
            return
        self.made("TRU-01", self.identities)
        for one in self.exhibits:
            self.exhibit(one)

    def checkpoint(self):
        self.head = log.verified_checkpoint(self.files["custody/checkpoint"], [self.trust.key])
        need(self.head.origin == self.trust.origin, "another origin")

    def stamped(self):
        """LOG-05 and LOG-06."""
        folder = "custody/checkpoints/"
        names = {path[len(folder) :] for path in self.files if path.startswith(folder)}
        sizes = {name.split(".")[0] for name in names if PLACES.fullmatch(name)}
        if names:
            self.made("LOG-05", lambda: need(all(PLACES.fullmatch(name) for name in names), "a file of another name"))
        for size in sorted(sizes, key=int):
            stamps = sorted(int(name.split(".")[1]) for name in names if name.startswith(size + ".") and name.endswith(".tsr"))
            if self.made("LOG-05", lambda: self.stamped_checkpoint(size, stamps)):
                for number in stamps:
                    self.one_stamp(int(size), self.files[f"{folder}{size}"], self.files[f"{folder}{size}.{number}.tsr"])

    def stamped_checkpoint(self, size, stamps):
        note, proof = (self.files[f"custody/checkpoints/{size}{end}"] for end in ("", ".proof"))
        need(stamps and stamps == list(range(1, len(stamps) + 1)), "no stamp, or a gap")
        head = log.verified_checkpoint(note, [self.trust.key])
        text, line = note.split(b"\n\n")
        need(head.size == int(size) and line.count(b"\n") == 1, "another size, or more than the log's signature")
        need(proof in (b"", b"\n") or proof.endswith(b"\n"), "not lines")
        hashes = [digest(one) for one in proof.decode().split("\n")[:-1]] if proof != b"\n" else []
        log.verify_consistency(head.size, head.root, self.head.size, self.head.root, hashes)

    def one_stamp(self, size, note, response):
        try:
            self.stamps.append((size, *stamp.Stamp(response).judge(note, self.trust.roots)))
            self.findings.append(("LOG-06", "passed", ""))
        except stamp.CountsForNothing as refused:
            self.findings.append(("LOG-06", "not-checked", str(refused)))
        except Refused as refused:
            self.findings.append(("LOG-06", "failed", str(refused)))

    def times(self, views):
        """LOG-07."""
        stated = contradicted = 0
        for view in views:
            after = max((earliest for size, earliest, _ in self.stamps if size <= view.index), default=None)
            before = min((latest for size, _, latest in self.stamps if size > view.index), default=None)
            if (after is not None and view.core.time < after) or (before is not None and view.core.time > before):
                contradicted += 1
            elif after is None or before is None or (self.trust.window is not None and before - after > self.trust.window * 1000):
                stated += 1
        self.findings.append(("LOG-07", "failed" if contradicted else "not-checked" if stated else "passed", f"{stated} stated, {contradicted} contradicted"))

    def identities(self):
        self.registry = identity.Registry(self.trust.pin)
        self.registry_index = []
        views = view_lines(self.files["custody/registry.ndjson"])
        need(views, "no identity records")
        for number, view in enumerate(views):
            self.registry_index.append(view.index)
            need(view.core and view.case, "a registry record that is not open")
            if not view.core.rule and view.core.intent.kind != "log.read":
                self.registry.apply(view.core.intent, number, view.core.time)
        custody.check_chain(custody.REGISTRY, "case", views)
        proof = self.files["custody/registry.proof"]
        proof = [] if proof == b"\n" else [digest(line) for line in text_lines(proof)]
        self.in_tree(views[-1], proof)

    def in_tree(self, view, proof):
        log.verify_inclusion(view.index, self.head.size, log.leaf_hash(custody.entry(view.commitment)), proof, self.head.root)

    def exhibit(self, one):
        folder = f"custody/exhibits/{one.hex()}/"
        views = []
        if not self.made("CHN-01", lambda: views.extend(view_lines(self.files[folder + "chain.ndjson"]))):
            if not self.files.get(folder + "chain.ndjson", b"\n").endswith(b"\n"):
                self.findings.append(("LOG-02", "failed", "proofs of no records"))
            return
        proofs = []

        def proven():
            proofs.extend(proof_line(line) for line in text_lines(self.files[folder + "chain.proof"]))
            need(len(proofs) == len(views), "another number of proofs")
            for view, proof in zip(views, proofs):
                self.in_tree(view, proof)

        self.made("LOG-02", proven)

        def linked():
            need(all(view.core and view.exhibit for view in views), "a record whose core or place is closed")
            custody.check_chain(one, "exhibit", views)

        self.made("CHN-01", linked)
        self.times([view for view in views if view.core])
        self.made("CHN-02", lambda: [self.signed(one, view) for view in views])
        self.made("CHN-03", lambda: self.ends(views))
        self.made("CHN-04", lambda: self.seen(views))
        self.content(one, views)

    def signed(self, one, view):
        intent, core = view.core.intent, view.core
        need(intent.signer in self.registry.enrolled, "signed by an unknown device")
        intent.jws.verify(self.registry.enrolled[intent.signer][0].public)
        need(intent.exhibit == one, "for another exhibit")
        if not core.rule:
            need((intent.said["origin"], intent.case) == (self.origin, self.case), "for another log or case")
            number = sum(index < core.index for index in self.registry_index) - 1
            self.registry.standing(intent.signer, number, core.time)

    def ends(self, views):
        accepted = [view.core.intent for view in views if not view.core.rule]
        need(accepted and accepted[0].kind == "collection", "does not begin with the collection")
        last = views[-1].core
        need(not last.rule and last.intent.kind == "disclosure" and last.intent.body.get("payload") == sha256(self.files["manifest-sha256.txt"]).hex(),
             "does not end with the disclosure of this payload")

    def seen(self, views):
        roots = {0: log.EMPTY, self.head.size: self.head.root}
        for number, view in enumerate(views):
            if view.core.rule:
                continue
            size, root = view.core.intent.seen
            need(size <= view.index and roots.setdefault(size, root) == root, "saw another log")
            if view.core.intent.chain_seen:
                seq, commitment = view.core.intent.chain_seen
                need(seq < number and views[seq].commitment == commitment, "saw another chain")

    def content(self, one, views):
        folder = f"data/exhibits/{one.hex()}/"
        json = self.files.get(folder + "manifest.json", b"")
        collection = next((view.core.intent.body for view in views if view.core and view.core.intent.kind == "collection" and not view.core.rule), None)
        said = {}

        def committed():
            said.update(exhibit.manifest(json, one, self.case))
            need(collection and exhibit.manifest_commitment(unhex(said["salt"]), json).hex() == collection["manifest_commitment"], "not the manifest that was signed")

        if self.made("EXH-01", committed):
            if self.included:
                self.made("EXH-02", lambda: self.included_files(folder, said))
            else:
                self.made("EXH-02", lambda: need(parse_json(self.files[folder + "files.json"]) == [] and not self.below(folder), "files in a dossier of digests"))
                self.findings.append(("EXH-02", "not-checked", "a dossier of digests"))
        self.made("EXH-03", lambda: self.reasons(folder, views))

    def below(self, folder):
        return {path[len(folder) + 6 :] for path in self.files if path.startswith(folder + "files/")}

    def included_files(self, folder, said):
        names = array(parse_json(self.files[folder + "files.json"]))
        need(len(names) == len(said["files"]) and set(names) == self.below(folder) and len(set(names)) == len(names), "other files than the manifest's")
        for name, file in zip(names, said["files"]):
            data = self.files[f"{folder}files/{name}"]
            found = (len(data), hashlib.sha256(data).hexdigest(), blake3(data).hexdigest(), exhibit.tree(data).hex())
            need(found == (file["size"], file["sha256"], file["blake3"], file["tree"]), f"{name} is another file")

    def reasons(self, folder, views):
        by_index = {str(view.index): view for view in views}
        for index, key in parse_json(self.files[folder + "reasons.json"]).items():
            need(index in by_index, "a key for a record that is not on the chain")
            intent = by_index[index].core.intent
            exhibit.open_reason(unhex(key, 32), intent.said["origin"], intent.id, unb64url(intent.said["sealed"]["message"]))

    def answer(self):
        states = [state for _, state, _ in self.findings]
        if "failed" in states:
            return "FAILED"
        open_ = [check for check, state, _ in self.findings if state == "not-checked"]
        return "INDETERMINATE" if any(map(self.in_the_way, open_)) else "PASSED"

    def in_the_way(self, check):
        return check not in ("EXH-02", "LOG-06") and (check != "LOG-07" or self.trust.demanded)

    def first(self):
        """The first check, in the order of the page, that stands in the way of PASSED."""
        wanted = {"FAILED": "failed", "INDETERMINATE": "not-checked"}.get(self.answer())
        found = [check for check, state, _ in self.findings if state == wanted and (state == "failed" or self.in_the_way(check))]
        return next((check for check in ORDER if check in found), None)


PLACES = re.compile(r"(0|[1-9][0-9]*)(\.proof|\.[1-9][0-9]*\.tsr)?")
ORDER = "DOS-01 DOS-02 DOS-03 LOG-01 LOG-02 LOG-03 LOG-05 LOG-06 LOG-07 TRU-01 CHN-01 CHN-02 CHN-03 CHN-04 EXH-01 EXH-02 EXH-03".split()


class Newer(Exception):
    """A version newer than this one."""


def judge(data, trust):
    """The verdict and the check of the first finding that stands in the way of PASSED."""
    verdict = Verdict(data, trust)
    return verdict.answer(), verdict.first(), verdict.findings
