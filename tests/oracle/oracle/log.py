"""docs/spec/log.md: the tree, notes, checkpoints, cosignatures, tiles, policies, proof files."""

import re

from .common import Refused, b64, check_signature, decimal, need, public_key, sha256, unb64

MOST = 1 << 48
EMPTY = sha256(b"")


def leaf_hash(entry):
    return sha256(b"\x00", entry)


def node(left, right):
    return sha256(b"\x01", left, right)


def root(leaves):
    if len(leaves) <= 1:
        return leaves[0] if leaves else EMPTY
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:k]), root(leaves[k:]))


def path(index, leaves):
    """The inclusion proof of RFC 6962 section 2.1.1, from all leaf hashes."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def consistency(old, leaves, complete=True):
    """The proof from the tree of the first `old` leaves to the whole one (RFC 6962 §2.1.2)."""
    if old in (0, len(leaves)):
        return [] if complete else [root(leaves)]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if old <= split:
        return [*consistency(old, leaves[:split], complete), root(leaves[split:])]
    return [*consistency(old - split, leaves[split:], False), root(leaves[:split])]


def verify_inclusion(index, size, leaf, proof, wanted):
    need(size <= MOST and index < MOST, "no tree is so large")
    need(index < size, "the index is outside the tree")
    need(len(proof) <= 63, "more hashes than any proof has")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        need(sn != 0, "a hash too many")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "too few hashes")
    need(r == wanted, "another root")


def verify_consistency(old, old_root, new, new_root, proof):
    need(max(old, new) <= MOST, "no tree is so large")
    need(old <= new, "sizes reversed")
    need(len(proof) <= 63, "more hashes than any proof has")
    need((old != 0 or old_root == EMPTY) and (new != 0 or new_root == EMPTY), "size 0 has the empty root")
    if old in (0, new):
        need(not proof, "hashes where none are needed")
        need(old != new or old_root == new_root, "two roots of one size")
        return
    need(proof, "no hashes")
    if old & (old - 1) == 0:
        proof = [old_root, *proof]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        need(sn != 0, "a hash too many")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "too few hashes")
    need(fr == old_root and sr == new_root, "another root")


# Notes and keys.


def key_name(name):
    need(1 <= len(name.encode()) <= 255 and "+" not in name and not any(is_white(c) for c in name), "not a key name")
    return name


def is_white(c):
    """Unicode White_Space."""
    return c in "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" or "\u2000" <= c <= "\u200a"


class VerifierKey:
    def __init__(self, vkey):
        need(len(vkey.encode()) <= 4096, "too long for a vkey")
        pieces = vkey.split("+", 2)
        need(len(pieces) == 3, "not a vkey")
        self.name = key_name(pieces[0])
        need(re.fullmatch("[0-9a-f]{8}", pieces[1]), "not a key id")
        self.id = bytes.fromhex(pieces[1])
        data = unb64(pieces[2])
        need(len(data) == 33 and data[0] in (1, 4), "a key of another type or length")
        self.type, self.public = data[0], public_key(data[1:])
        # That it is a point: x² = (y² − 1) / (d·y² + 1) has a root.
        p = 2**255 - 19
        y2 = (int.from_bytes(self.public, "little") & (1 << 255) - 1) ** 2
        over = (-121665 * pow(121666, p - 2, p) * y2 + 1) * (y2 - 1) % p
        need(pow(over, (p - 1) // 2, p) == 1, "not a point of the curve")
        need(self.id == sha256(self.name.encode(), b"\n", data)[:4], "an id that does not follow from the key")


def log_key(vkey):
    key = VerifierKey(vkey)
    need(key.type == 1, "not a log's key")
    return key


def cosigner_key(vkey):
    key = VerifierKey(vkey)
    need(key.type == 4, "not a cosigner's key")
    return key


class Note:
    def __init__(self, data):
        need(len(data) <= 128 * 1024, "too long for a note")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
        need(not any(byte < 0x20 and byte != 0x0A for byte in data), "a control character")
        at = whole.rfind("\n\n")
        need(at >= 0, "no empty line")
        self.text, lines = whole[: at + 1], whole[at + 2 :]
        need(lines.endswith("\n"), "the last line does not end")
        need(len(self.text.encode()) <= 16 * 1024, "the text is too long")
        lines = lines[:-1].split("\n")
        need(len(lines) <= 100, "too many signatures")
        self.signatures = []
        for line in lines:
            need(line.startswith("— ") and line.count(" ") == 2, "not a signature line")
            _, name, signature = line.split(" ")
            data = unb64(signature)
            need(len(data) > 4, "no signature")
            need(len(data) - 4 <= 8 * 1024, "the signature is too long")
            self.signatures.append((key_name(name), data[:4], data[4:]))

    def of(self, key):
        """The signatures of the lines that name a key."""
        return [signature for name, key_id, signature in self.signatures if (name, key_id) == (key.name, key.id)]

    def verify(self, keys):
        """Every line that names one of the keys verifies, and there is at least one."""
        found = 0
        for key in keys:
            need(key.type == 1, "a cosigner's key signs no note")
            for signature in self.of(key):
                check_signature(key.public, signature, self.text.encode())
                found += 1
        need(found, "not signed by a known key")

    def cosigned(self, key):
        """The times of a cosigner's signatures; one that does not verify refuses the note."""
        times = []
        for signature in self.of(key):
            need(len(signature) == 72, "not a cosignature")
            time = int.from_bytes(signature[:8], "big")
            need(1 <= time < 1 << 63, "not a time of a cosignature")
            check_signature(key.public, signature[8:], f"cosignature/v1\ntime {time}\n{self.text}".encode())
            times.append(time)
        return times


class Checkpoint:
    def __init__(self, data):
        self.note = Note(data)
        lines = self.note.text.split("\n")
        need(len(lines) == 4, "not three lines")
        self.origin = key_name(lines[0])
        self.size = decimal(lines[1], MOST + 1)
        self.root = unb64(lines[2])
        need(len(self.root) == 32, "not a root")
        need(self.size or self.root == EMPTY, "size 0 has the empty root")

    def verify(self, keys):
        keys = [key for key in keys if key.name == self.origin]
        need(keys, "no known key is of that origin")
        self.note.verify(keys)


def verified_checkpoint(data, keys):
    checkpoint = Checkpoint(data)
    checkpoint.verify(keys)
    return checkpoint


def body(origin, size, root_):
    return f"{origin}\n{size}\n{b64(root_)}\n"


def signature_line(name, key_id, signature):
    return f"— {name} {b64(key_id + signature)}\n"


def key_id(name, type_, public):
    return sha256(name.encode(), b"\n", bytes([type_]), public)[:4]


def vkey(name, type_, public):
    return f"{name}+{key_id(name, type_, public).hex()}+{b64(bytes([type_]) + public)}"


# Tiles.


class Tile:
    def __init__(self, text):
        need(len(text.encode()) <= 64, "too long for a tile's path")
        match = re.fullmatch(r"tile/(entries|0|[1-9][0-9]*)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]*))?", text)
        need(match and text.isascii(), "not a tile's path")
        self.content = match[1] if match[1] == "entries" else int(match[1])
        digits = match[2].replace("x", "").replace("/", "") + match[3]
        need(len(digits) == 3 or not digits.startswith("000"), "a group too many")
        self.index, self.width = int(digits), int(match[4] or 256)
        need(match[4] is None or self.width <= 255, "not a width")
        level = 0 if self.content == "entries" else self.content
        need(level <= 6 and self.index * 256 + self.width <= MOST >> 8 * level, "no tree has it")

    def read(self, data):
        """The hashes, or the entries."""
        out, at = [], 0
        for _ in range(self.width):
            length = 32
            if self.content == "entries":
                need(at + 2 <= len(data), "cut short")
                length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            need(at + length <= len(data), "cut short")
            out.append(data[at : at + length])
            at += length
        need(at == len(data), "more than the tile holds")
        return out


# Policies.


class Policy:
    def __init__(self, data):
        need(len(data) <= 64 * 1024 and data.endswith(b"\n"), "too long, or the last line does not end")
        need(all(byte in (9, 10) or 0x20 <= byte <= 0x7E or byte >= 0x80 for byte in data), "a control character")
        self.logs, self.witnesses, self.groups, self.quorum, self.members = [], {}, {}, None, set()
        for line in data[:-1].split(b"\n"):
            words = [word for word in re.split(b"[ \t]+", line) if word]
            if not words or words[0].startswith(b"#"):
                continue
            getattr(self, {b"log": "log", b"witness": "witness", b"group": "group", b"quorum": "one_quorum"}.get(words[0], "other"))(words[1:])
        need(self.quorum is not None, "no quorum")
        need(max(len(self.logs), len(self.witnesses), len(self.groups)) <= 64, "too many definitions")

    def other(self, words):
        raise Refused("an unknown word")

    @staticmethod
    def key(words, kind, fixed):
        need(fixed <= len(words) <= fixed + 1, "not so many words")
        try:
            [word.decode() for word in words[fixed - 1 :]]
            return kind(words[fixed - 1].decode())
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None

    def log(self, words):
        key = self.key(words, log_key, 1)
        need(key.public not in [log.public for log in self.logs], "a log's key twice")
        self.logs.append(key)

    def define(self, name):
        need(name != b"none" and name not in self.witnesses and name not in self.groups, "a name that is taken")

    def witness(self, words):
        key = self.key(words, cosigner_key, 2)
        self.define(words[0])
        need(key.public not in [one.public for one in self.witnesses.values()], "a witness's key twice")
        self.witnesses[words[0]] = key

    def group(self, words):
        need(len(words) >= 3, "a group of nobody")
        name, count, names = words[0], words[1], words[2:]
        self.define(name)
        need(all(one in self.witnesses or one in self.groups for one in names), "a member that is not defined above")
        for one in names:
            need(one not in self.members, "a member twice")
            self.members.add(one)
        k = {b"all": len(names), b"any": 1}.get(count)
        k = decimal(count.decode("latin-1")) if k is None else k
        need(1 <= k <= len(names), "a threshold that cannot be met, or none")
        self.groups[name] = (k, names)

    def one_quorum(self, words):
        need(self.quorum is None and len(words) == 1, "not one quorum")
        need(words[0] == b"none" or words[0] in self.witnesses or words[0] in self.groups, "a quorum that is not defined above")
        self.quorum = words[0]

    def judge(self, checkpoint):
        """Is the quorum met? A checkpoint that no log of the policy signed is refused."""
        checkpoint.verify(self.logs)
        met = {name: bool(checkpoint.note.cosigned(key)) for name, key in self.witnesses.items()}
        for name, (k, names) in self.groups.items():
            met[name] = sum(met[one] for one in names) >= k
        return self.quorum == b"none" or met[self.quorum]


# Proof files.


class ProofFile:
    def __init__(self, text):
        need(len(text.encode()) <= 144 * 1024, "too long for a proof file")
        head, empty, checkpoint = text.partition("\n\n")
        need(empty, "no empty line")
        lines = head.split("\n")
        need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a proof file of version 1")
        self.extra = None
        if lines and lines[0].startswith("extra "):
            self.extra = unb64(lines.pop(0)[6:])
            need(1 <= len(self.extra) <= 4096, "not the length of extra data")
        need(lines and lines[0].startswith("index "), "no index")
        self.index = decimal(lines.pop(0)[6:], MOST)
        need(len(lines) <= 63, "more hashes than any proof has")
        self.hashes = [unb64(line) for line in lines]
        need(all(len(one) == 32 for one in self.hashes), "not a hash")
        self.checkpoint = Checkpoint(checkpoint.encode())

    def verify(self, entry, key):
        self.checkpoint.verify([key])
        verify_inclusion(self.index, self.checkpoint.size, leaf_hash(entry), self.hashes, self.checkpoint.root)
