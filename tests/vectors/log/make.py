"""Writes the vectors of this directory from docs/spec/log.md alone: a second implementation of the log's formats.

Run `python3 tests/vectors/log/make.py` (needs the package `cryptography`); the output is the same each time.
`transparency-dev.json` and `foreign.json` are not made here: see README.md.
"""

import base64
import hashlib
import json
import pathlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent


def b64(data):
    return base64.b64encode(data).decode()


def sha(data):
    return hashlib.sha256(data).digest()


# The tree, as RFC 6962 section 2.1 defines it, by recursion.
def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


def entry(i):
    """Entry i of all trees here: a version byte and 32 bytes, as the log has them."""
    return b"\x01" + sha(b"entry %d" % i)


LEAVES = [sha(b"\x00" + entry(i)) for i in range(300)]


def flip(data, bit=0):
    out = bytearray(data)
    out[bit // 8] ^= 0x80 >> (bit % 8)
    return bytes(out)


def octets(name, data):
    """A field of text, or of hexadecimal digits under another name where the bytes are not UTF-8."""
    return {name: data} if isinstance(data, str) else {name + "_hex": data.hex()}


# Notes.
class Key:
    def __init__(self, name, kind, seed):
        self.name, self.kind, self.seed = name, kind, sha(seed.encode())
        self.secret = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha(name.encode() + b"\n" + bytes([kind]) + self.public)[:4]

    def vkey(self):
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def line(self, signature, name=None, key_id=None):
        return f"— {name or self.name} {b64((key_id or self.id) + signature)}\n"

    def sign(self, text):
        return self.line(self.secret.sign(text.encode()))

    def cosign(self, time, text, header="cosignature/v1"):
        message = f"{header}\ntime {time}\n{text}"
        return self.line(struct.pack(">Q", time) + self.secret.sign(message.encode()))


LOG = Key("custody.example.org/log", 1, "log")
NEXT = Key("custody.example.org/log", 1, "the log's next key")
OTHER = Key("other.example.org/log", 1, "other log")
W1 = Key("witness.example.org/w1", 4, "w1")
W2 = Key("witness.example.org/w2", 4, "w2")
W3 = Key("court.example.org", 4, "w3")
AUDITOR = Key("auditor.example.org", 4, "auditor")
TIME = 1795467845


def body(size, digest=None, origin=LOG.name):
    return f"{origin}\n{size}\n{b64(digest or root(LEAVES[:size]))}\n"


def write(name, what, cases):
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), name
    text = json.dumps({"what": what, "cases": cases}, indent=1, ensure_ascii=False)
    (HERE / f"{name}.json").write_text(text + "\n")
    print(name, len(cases), "cases,", sum(case["expect"] != "ok" for case in cases), "bad")


def merkle():
    cases = []

    def inclusion(name, expect, index, size, leaf, proof, digest):
        cases.append({"name": name, "expect": expect, "kind": "inclusion", "index": index, "size": size, "leaf": leaf.hex(),
                      "proof": [h.hex() for h in proof], "root": digest.hex()})

    def consistency(name, expect, old, old_root, new, new_root, proof):
        cases.append({"name": name, "expect": expect, "kind": "consistency", "old": old, "old_root": old_root.hex(), "new": new,
                      "new_root": new_root.hex(), "proof": [h.hex() for h in proof]})

    for size in (1, 2, 7, 8, 9, 255, 256, 257):
        tree = LEAVES[:size]
        for index in sorted({0, size // 2, size - 1}):
            inclusion(f"leaf {index} of {size}", "ok", index, size, tree[index], path(index, tree), root(tree))
        proof = path(size - 1, tree)
        inclusion(f"index is the size {size}", "IndexOutsideTree", size, size, tree[-1], proof, root(tree))
        inclusion(f"one hash too many, size {size}", "ProofLength", size - 1, size, tree[-1], proof + [root(tree)], root(tree))
        inclusion(f"root of another tree, size {size}", "RootMismatch", size - 1, size, tree[-1], proof, root(LEAVES[: size + 1]))
        if proof:
            inclusion(f"last hash missing, size {size}", "ProofLength", size - 1, size, tree[-1], proof[:-1], root(tree))
            inclusion(f"first hash changed, size {size}", "RootMismatch", size - 1, size, tree[-1], [flip(proof[0])] + proof[1:], root(tree))
        if len(proof) > 1:
            inclusion(f"hashes in reverse order, size {size}", "RootMismatch", size - 1, size, tree[-1], proof[::-1], root(tree))
    inclusion("no leaf is in the empty tree", "IndexOutsideTree", 0, 0, LEAVES[0], [], root([]))
    inclusion("an inner node passed off as a leaf", "ProofLength", 0, 8, root(LEAVES[:2]), path(0, LEAVES[:8])[1:], root(LEAVES[:8]))
    inclusion("an inner node passed off as a leaf of a smaller tree", "RootMismatch", 0, 4, root(LEAVES[:2]),
              path(0, LEAVES[:8])[1:], root(LEAVES[:4]))
    inclusion("another leaf's proof", "RootMismatch", 3, 8, LEAVES[3], path(2, LEAVES[:8]), root(LEAVES[:8]))
    inclusion("right leaf at its neighbour's index", "RootMismatch", 2, 8, LEAVES[3], path(3, LEAVES[:8]), root(LEAVES[:8]))
    inclusion("a size over 2^48", "SizeLimit", 0, 2**48 + 1, LEAVES[0], [], LEAVES[0])
    inclusion("the largest index of 64 bits", "SizeLimit", 2**64 - 1, 8, LEAVES[0], [], LEAVES[0])
    inclusion("more hashes than any proof has", "ProofLength", 0, 2, LEAVES[0], [LEAVES[1]] * 64, root(LEAVES[:2]))

    for old, new in ((1, 2), (1, 257), (2, 7), (6, 7), (7, 8), (7, 9), (8, 9), (128, 256), (255, 256), (255, 257), (256, 257)):
        proof = subproof(old, LEAVES[:new], True)
        a, b = root(LEAVES[:old]), root(LEAVES[:new])
        consistency(f"{old} to {new}", "ok", old, a, new, b, proof)
        # Where the old size is a power of two, the old root stands in the way to the new one.
        consistency(f"older root changed, {old} to {new}", "OldRootMismatch" if old & (old - 1) else "RootMismatch", old, flip(a), new, b, proof)
        consistency(f"newer root changed, {old} to {new}", "RootMismatch", old, a, new, flip(b), proof)
        consistency(f"one hash too many, {old} to {new}", "ProofLength", old, a, new, b, proof + [a])
        consistency(f"no hashes, {old} to {new}", "ProofLength", old, a, new, b, [])
        consistency(f"sizes exchanged, {old} to {new}", "SizesReversed", new, b, old, a, proof)
    empty = root([])
    consistency("nothing to nothing", "ok", 0, empty, 0, empty, [])
    consistency("nothing to 7", "ok", 0, empty, 7, root(LEAVES[:7]), [])
    consistency("nothing to 7 with a hash", "ProofLength", 0, empty, 7, root(LEAVES[:7]), [LEAVES[0]])
    consistency("size 0 with a root that is not the empty one", "OldRootMismatch", 0, LEAVES[0], 7, root(LEAVES[:7]), [])
    consistency("size 0 twice with a root that is not the empty one", "OldRootMismatch", 0, LEAVES[0], 0, LEAVES[0], [])
    consistency("the same tree", "ok", 7, root(LEAVES[:7]), 7, root(LEAVES[:7]), [])
    consistency("one size, two roots", "RootMismatch", 7, root(LEAVES[:7]), 7, root(LEAVES[1:8]), [])
    consistency("the same tree with a hash", "ProofLength", 7, root(LEAVES[:7]), 7, root(LEAVES[:7]), [LEAVES[0]])
    fork = LEAVES[:5] + LEAVES[10:12]
    consistency("a fork after leaf 5", "OldRootMismatch", 6, root(LEAVES[:6]), 7, root(fork), subproof(6, fork, True))
    return "inclusion and consistency proofs; entry i is 0x01 and SHA-256(\"entry <i>\"); all hashes hexadecimal", cases


def note():
    text = "Nothing here is secret.\n\nBut it is signed.\n"
    good = LOG.sign(text)
    cases = []

    def case(name, expect, data, keys=(LOG,)):
        cases.append({"name": name, "expect": expect, "keys": [k.vkey() for k in keys], **octets("note", data)})

    case("signed by the one key", "ok", f"{text}\n{good}")
    case("an unknown signature before ours", "ok", f"{text}\n{OTHER.sign(text)}{good}")
    case("an unknown signature of an unknown length", "ok", f"{text}\n{good}{OTHER.line(b'x')}")
    case("our name with another id is another key", "ok", f"{text}\n{LOG.line(b'x' * 64, key_id=b'1234')}{good}")
    case("text of one newline", "ok", "\n\n" + LOG.sign("\n"))
    case("a hundred signatures", "ok", f"{text}\n{good * 100}")
    case("a hundred and one signatures", "Malformed", f"{text}\n{good * 101}")
    case("only an unknown signature", "NotSigned", f"{text}\n{OTHER.sign(text)}")
    case("our id under another name", "NotSigned", f"{text}\n{LOG.line(LOG.secret.sign(text.encode()), name='else.example.org')}")
    case("text changed", "BadSignature", f"{text[1:]}\n{good}")
    case("signature changed", "BadSignature", f"{text}\n{LOG.line(flip(LOG.secret.sign(text.encode()), 77))}")
    case("signature one byte short", "BadSignature", f"{text}\n{LOG.line(LOG.secret.sign(text.encode())[:63])}")
    case("a good and a bad signature of one key", "BadSignature", f"{text}\n{good}{LOG.line(bytes(64))}")
    case("S not reduced", "BadSignature", f"{text}\n" + LOG.line(unreduced(LOG.secret.sign(text.encode()))))
    case("last newline missing", "Malformed", f"{text}\n{good}"[:-1])
    case("no empty line", "Malformed", f"One line.\n{LOG.sign('One line.' + chr(10))}")
    case("no signature", "Malformed", f"{text}\n")
    case("a line that is no signature", "Malformed", f"{text}\n{good}Hello.\n")
    case("a hyphen for the em dash", "Malformed", f"{text}\n{good.replace('—', '-')}")
    case("two spaces after the dash", "Malformed", f"{text}\n{good.replace('— ', '—  ')}")
    case("a plus in the key name", "Malformed", f"{text}\n{good}{LOG.line(b'12345', name='a+b')}")
    case("a no-break space in the key name", "Malformed", f"{text}\n{good}{LOG.line(b'12345', name='a' + chr(0xa0) + 'b')}")
    case("a signature of four bytes", "Malformed", f"{text}\n{good}{LOG.line(b'')}")
    case("Base64 without padding", "Malformed", f"{text}\n{good.replace('=', '')}")
    case("Base64 with a stray last bit", "Malformed", f"{text}\n{good}— a.example.org MTIzNDU2Nzd=\n".replace("Nzd=", "Nzc1Nx=="))
    case("a carriage return", "Malformed", f"{text}\n{good}".replace("secret.\n", "secret.\r\n"))
    case("a tab in the text", "Malformed", f"{text}\n{good}".replace(" is ", "\t"))
    case("a zero byte", "Malformed", f"{text}\n{good}".replace("secret", "sec\0ret"))
    case("not UTF-8", "Malformed", f"{text}\n{good}".encode().replace(b"secret", b"s\xe9cret"))
    case("a byte order mark", "BadSignature", f"\ufeff{text}\n{good}")
    case("empty", "Malformed", "")
    case("text over 16 KiB", "TooLarge", "x" * 16384 + "\n\n" + LOG.sign("x" * 16384 + "\n"))
    case("a signature over 8 KiB", "TooLarge", f"{text}\n{good}" + OTHER.line(bytes(8193)))
    case("a cosigner's key cannot sign a note", "KeyType", f"{text}\n{W1.sign(text)}", [W1])
    return "signed notes (note_hex where they are not text) under vkeys", cases


def unreduced(signature):
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + s.to_bytes(32, "little")


def vkeys():
    cases = []

    def case(name, expect, vkey):
        cases.append({"name": name, "expect": expect, "vkey": vkey})

    good = LOG.vkey()
    case("a log's key", "ok", good)
    case("a cosigner's key", "ok", W1.vkey())
    case("another id", "Malformed", good.replace(LOG.id.hex(), "00000000"))
    case("another name", "Malformed", good.replace("example", "exbmple"))
    case("id in capitals", "Malformed", good.replace(LOG.id.hex(), LOG.id.hex().upper()))
    case("no name", "Malformed", good[len(LOG.name):])
    case("a space in the name", "Malformed", " " + good)
    case("a newline after it", "Malformed", good + "\n")
    case("two parts", "Malformed", good.rsplit("+", 1)[0])
    case("no key bytes", "Malformed", f"a+00000000+{b64(b'')}")
    case("a key of 31 bytes", "Malformed", f"a+00000000+{b64(bytes([1]) + LOG.public[:31])}")
    case("a key of 33 bytes", "Malformed", f"a+00000000+{b64(bytes([1]) + LOG.public + b'0')}")

    def raw(public):
        return f"a+{sha(b'a' + bytes([10, 1]) + public)[:4].hex()}+{b64(bytes([1]) + public)}"

    case("a point of small order", "Malformed", raw(bytes([1]) + bytes(31)))
    case("not a point of the curve", "Malformed", raw(bytes([2]) + bytes(31)))
    case("a point in its second encoding", "Malformed", raw((2**255 - 19 + 3).to_bytes(32, "little")))
    case("an ECDSA key", "KeyType", f"a+00000000+{b64(bytes([2]) + bytes(91))}")
    case("an ML-DSA-44 cosigner's key", "KeyType", f"a+00000000+{b64(bytes([6]) + bytes(1312))}")
    case("a name of 256 bytes", "TooLarge", "a" * 256 + good[len(LOG.name):])
    return "verifier keys as text", cases


def checkpoint():
    cases = []
    good = body(3)

    def case(name, expect, text, lines=None, keys=(LOG,)):
        lines = lines if lines is not None else LOG.sign(text)
        cases.append({"name": name, "expect": expect, "keys": [k.vkey() for k in keys], "checkpoint": f"{text}\n{lines}"})

    case("three entries", "ok", good)
    case("the empty tree", "ok", body(0))
    case("2^48 entries", "ok", body(2**48, sha(b"some root")))
    case("with a witness's line", "ok", good, LOG.sign(good) + W1.cosign(TIME, good))
    case("with a bad line of a witness that nobody asked about", "ok", good, LOG.sign(good) + W1.line(bytes(72)))
    case("signed by the old and the next key", "ok", good, LOG.sign(good) + NEXT.sign(good), [NEXT, LOG])
    case("one of the log's two keys signed", "ok", good, NEXT.sign(good), [LOG, NEXT])
    case("signed only by a witness", "NotSigned", good, W1.cosign(TIME, good))
    case("the witness's name is the log's", "NotSigned", good, Key(LOG.name, 4, "log").cosign(TIME, good))
    case("signed only by another log", "NotSigned", good, OTHER.sign(good))
    case("another log's checkpoint", "UnknownLog", body(3, origin=OTHER.name), OTHER.sign(body(3, origin=OTHER.name)))
    case("another log's checkpoint under our key", "UnknownLog", body(3, origin=OTHER.name))
    case("our checkpoint under the other log's key", "UnknownLog", good, OTHER.sign(good), [OTHER])
    case("root changed after signing", "BadSignature", body(3, LEAVES[0]), LOG.sign(good))
    case("size changed after signing", "BadSignature", good.replace("\n3\n", "\n4\n"), LOG.sign(good))
    case("one of two known keys signed badly", "BadSignature", good, LOG.sign(good) + NEXT.line(bytes(64)), [LOG, NEXT])
    case("an extension line", "Malformed", good + "extension\n")
    case("an empty extension line", "Malformed", good + "\n")
    case("two lines", "Malformed", "\n".join(good.split("\n")[:2]) + "\n")
    case("an empty origin", "Malformed", good[len(LOG.name):])
    case("an origin with a space", "Malformed", body(3, origin="custody log"))
    case("an origin with a plus", "Malformed", body(3, origin="custody+log"))
    case("size with a leading zero", "Malformed", good.replace("\n3\n", "\n03\n"))
    case("size with a plus", "Malformed", good.replace("\n3\n", "\n+3\n"))
    case("size with a minus", "Malformed", good.replace("\n3\n", "\n-3\n"))
    case("size with a space", "Malformed", good.replace("\n3\n", "\n3 \n"))
    case("size in hexadecimal", "Malformed", good.replace("\n3\n", "\n0x3\n"))
    case("size in other digits", "Malformed", good.replace("\n3\n", "\n٣\n"))
    case("size over 2^48", "Malformed", body(2**48 + 1, sha(b"some root")))
    case("size over 64 bits", "Malformed", body(2**64 + 3, sha(b"some root")))
    case("no size", "Malformed", good.replace("\n3\n", "\n\n"))
    case("root of 31 bytes", "Malformed", body(3, bytes(31)))
    case("root of 33 bytes", "Malformed", body(3, bytes(33)))
    case("root in hexadecimal", "Malformed", f"{LOG.name}\n3\n{root(LEAVES[:3]).hex()}\n")
    case("root in URL-safe Base64", "Malformed", body(3, bytes([255]) * 32).replace("/", "_"))
    case("root with stray last bits", "Malformed", body(3, bytes(32)).replace("AAA=", "AAB="))
    case("size 0 with a root that is not the empty one", "Malformed", body(0, LEAVES[0]))
    return "checkpoints under the keys of logs", cases


def cosignature():
    cases = []
    good = body(3)

    def case(name, expect, line, key=W1, text=good):
        cases.append({"name": name, "expect": expect, "key": key.vkey(), "time": TIME, "checkpoint": f"{text}\n{LOG.sign(text)}{line}"})

    line = W1.cosign(TIME, good)
    raw = base64.b64decode(line.split(" ")[2])[4:]
    case("a witness's cosignature", "ok", line)
    case("among others", "ok", W2.cosign(TIME, good) + line + AUDITOR.cosign(TIME, good))
    case("of an empty log", "ok", W1.cosign(TIME, body(0)), text=body(0))
    case("none", "NotSigned", W2.cosign(TIME, good))
    case("the log's key as a witness", "NotSigned", "", key=Key(LOG.name, 4, "log"))
    case("of another checkpoint", "BadSignature", W1.cosign(TIME, body(2)))
    case("of another origin", "BadSignature", W1.cosign(TIME, body(3, origin=OTHER.name)))
    case("time moved by a second", "BadSignature", W1.line(struct.pack(">Q", TIME + 1) + raw[8:]))
    case("signature changed", "BadSignature", W1.line(flip(raw, 100)))
    case("another header line", "BadSignature", W1.cosign(TIME, good, "cosignature/v2"))
    case("over the note's text alone", "BadSignature", W1.line(struct.pack(">Q", TIME) + W1.secret.sign(good.encode())))
    case("little-endian time", "BadSignature", W1.line(struct.pack("<Q", TIME) + raw[8:]))
    case("another witness's signature under our name", "BadSignature", W1.line(base64.b64decode(W2.cosign(TIME, good).split(" ")[2])[4:]))
    case("without a time", "Malformed", W1.line(raw[8:]))
    case("one byte too many", "Malformed", W1.line(raw + b"\0"))
    case("time 0", "Malformed", W1.cosign(0, good))
    case("time over 2^63-1", "Malformed", W1.cosign(2**63, good))
    case("a good and a bad one", "BadSignature", line + W1.line(flip(raw, 500)))
    case("a log's key cannot cosign", "KeyType", LOG.sign(good), key=LOG)
    return "cosignatures of one key on a checkpoint that the log signed", cases


def policy():
    cases = []
    log, w1, w2, w3 = f"log {LOG.vkey()}\n", f"witness w1 {W1.vkey()}\n", f"witness w2 {W2.vkey()}\n", f"witness court {W3.vkey()}\n"
    auditor = f"witness auditor {AUDITOR.vkey()}\n"
    all_w = log + w1 + w2 + w3 + auditor
    keys = {"w1": W1, "w2": W2, "court": W3, "auditor": AUDITOR}

    def case(name, expect, text, cosigners=(), quorum=None):
        good = body(3)
        note = good + "\n" + LOG.sign(good) + "".join(keys[c].cosign(TIME, good) for c in cosigners)
        cases.append({"name": name, "expect": expect, "quorum": quorum, **octets("policy", text), "checkpoint": note})

    two = "group witnesses 2 w1 w2 court\n"
    both = two + "group all-of all witnesses auditor\nquorum all-of\n"
    case("no witness asked for", "ok", log + "quorum none\n", (), True)
    case("one witness asked for and there", "ok", log + w1 + "quorum w1\n", ("w1",), True)
    case("one witness asked for and not there", "ok", log + w1 + w2 + "quorum w1\n", ("w2",), False)
    case("two of three there", "ok", all_w + two + "quorum witnesses\n", ("w1", "court"), True)
    case("one of three there", "ok", all_w + two + "quorum witnesses\n", ("w1",), False)
    case("one witness twice is one witness", "ok", all_w + two + "quorum witnesses\n", ("w1", "w1"), False)
    case("groups of groups, met", "ok", all_w + both, ("w1", "w2", "auditor"), True)
    case("groups of groups, auditor missing", "ok", all_w + both, ("w1", "w2", "court"), False)
    case("groups of groups, a witness missing", "ok", all_w + both, ("w1", "auditor"), False)
    case("any of two", "ok", all_w + "group g any w1 w2\nquorum g\n", ("w2",), True)
    case("all of two", "ok", all_w + "group g all w1 w2\nquorum g\n", ("w2",), False)
    case("quorum before other definitions", "ok", w1 + "quorum w1\n" + log, ("w1",), True)
    case("comments, tabs, blank lines, URLs", "ok",
         f"# a policy\n\n \t\n\t# more\nlog\t{LOG.vkey()}  https://custody.example.org \n{w1[:-1]} https://w1.example\nquorum   w1 \t\n", ("w1",), True)
    case("names are octets", "ok", (log + w1).encode().replace(b"witness w1", b"witness \xff\xfe") + b"quorum \xff\xfe\n", ("w1",), True)
    case("two keys of one log", "ok", log + f"log {NEXT.vkey()}\nquorum none\n", (), True)
    case("another log only", "UnknownLog", f"log {OTHER.vkey()}\nquorum none\n")
    case("no log at all", "UnknownLog", "quorum none\n")
    case("a log of our name with another key", "NotSigned", f"log {NEXT.vkey()}\nquorum none\n")
    case("no quorum", "Malformed", log + w1)
    case("two quorums", "PolicyLine", log + w1 + "quorum w1\nquorum none\n")
    case("quorum defined below", "PolicyLine", log + "quorum w1\n" + w1)
    case("quorum of two names", "PolicyLine", log + w1 + w2 + "quorum w1 w2\n")
    case("a group member defined below", "PolicyLine", log + "group g any w1\n" + w1 + "quorum g\n")
    case("a group in itself", "PolicyLine", log + w1 + "group g any w1 g\nquorum g\n")
    case("a group of nobody", "PolicyLine", log + "group g any\nquorum g\n")
    case("threshold 0", "PolicyLine", all_w + "group g 0 w1 w2\nquorum g\n")
    case("threshold over the members", "PolicyLine", all_w + "group g 3 w1 w2\nquorum g\n")
    case("threshold with a leading zero", "PolicyLine", all_w + "group g 02 w1 w2\nquorum g\n")
    case("threshold with a plus", "PolicyLine", all_w + "group g +2 w1 w2\nquorum g\n")
    case("threshold in words", "PolicyLine", all_w + "group g most w1 w2\nquorum g\n")
    case("a member twice in a group", "PolicyLine", all_w + "group g 2 w1 w1\nquorum g\n")
    case("a member of two groups", "PolicyLine", all_w + "group g any w1 w2\ngroup h any w2 court\nquorum g\n")
    case("none as a member", "PolicyLine", all_w + "group g any w1 none\nquorum g\n")
    case("a witness named none", "PolicyLine", log + w1.replace(" w1 ", " none ") + "quorum none\n")
    case("a name twice", "PolicyLine", log + w1 + w2.replace(" w2 ", " w1 ") + "quorum w1\n")
    case("a group with a witness's name", "PolicyLine", all_w + "group w1 any w2\nquorum w1\n")
    case("a witness's key twice", "PolicyLine", log + w1 + f"witness again {Key('other.example.org', 4, 'w1').vkey()}\nquorum none\n")
    case("a log's key twice", "PolicyLine", log + f"log {Key('other.example.org', 1, 'log').vkey()}\nquorum none\n")
    case("a log with a cosigner's key", "PolicyLine", f"log {W1.vkey()}\nquorum none\n")
    case("a witness with a log's key", "PolicyLine", log + f"witness w1 {OTHER.vkey()}\nquorum w1\n")
    case("a witness with an ML-DSA-44 key", "PolicyLine", log + f"witness w1 a+00000000+{b64(bytes([6]) + bytes(1312))}\nquorum w1\n")
    case("a broken key", "PolicyLine", log[:-3] + "\nquorum none\n")
    case("two URLs", "PolicyLine", log[:-1] + " https://a.example https://b.example\nquorum none\n")
    case("an unknown word", "PolicyLine", log + "monitor w1\nquorum none\n")
    case("a word in capitals", "PolicyLine", log + "Quorum none\n")
    case("a comment after a definition", "PolicyLine", log + "quorum none # nobody\n")
    case("last newline missing", "Malformed", log + "quorum none")
    case("a carriage return", "Malformed", log + "quorum none\r\n")
    case("a delete character", "Malformed", log + "# \x7f\nquorum none\n")
    case("a no-break space does not divide words", "PolicyLine", log + "quorum\u00a0none\n")
    many = "".join(f"log {Key('l.example', 1, f'l{i}').vkey()}\n" for i in range(65))
    case("65 logs", "PolicyLine", many + "quorum none\n")
    many = "".join(f"witness w{i} {Key('w.example', 4, f'x{i}').vkey()}\n" for i in range(65))
    case("65 witnesses", "PolicyLine", many + "quorum none\n")
    chain = "group g0 all w1\n" + "".join(f"group g{i} all g{i - 1}\n" for i in range(1, 64))
    case("64 groups, each in the next", "ok", log + w1 + chain + "quorum g63\n", ("w1",), True)
    case("65 groups", "PolicyLine", log + w1 + chain + "group g64 all g63\nquorum g64\n")
    return "policies (policy_hex where they are not text) and what they say of a checkpoint: an error, or whether the quorum is met", cases


def proof():
    cases = []
    size, index = 7, 5
    text = body(size)
    signed = text + "\n" + LOG.sign(text) + W1.cosign(TIME, text)
    hashes = [b64(h) for h in path(index, LEAVES[:size])]

    def case(name, expect, head, checkpoint=signed, leaf=index):
        data = ("\n".join(head) + "\n\n" + checkpoint) if isinstance(head, list) else head
        cases.append({"name": name, "expect": expect, "key": LOG.vkey(), "entry": entry(leaf).hex(), "file": data})

    first, line = "c2sp.org/tlog-proof@v1", f"index {index}"
    extra = "extra " + b64(b"anything")
    good = [first, line, *hashes]
    case("entry 5 of 7", "ok", good)
    case("with extra data", "ok", [first, extra, line, *hashes])
    case("one entry, no hashes", "ok", [first, "index 0"], body(1) + "\n" + LOG.sign(body(1)), 0)
    case("another entry", "Proof", good, leaf=4)
    case("another index", "Proof", [first, "index 4", *hashes])
    case("index is the size", "Proof", [first, "index 7", *hashes])
    case("last hash missing", "Proof", good[:-1])
    case("a hash too many", "Proof", good + [hashes[0]])
    case("hashes in reverse order", "Proof", [first, line, *hashes[::-1]])
    case("checkpoint of another size", "Proof", good, body(6) + "\n" + LOG.sign(body(6)))
    case("checkpoint signed only by a witness", "NotSigned", good, text + "\n" + W1.cosign(TIME, text))
    case("checkpoint changed", "BadSignature", good, signed.replace("\n7\n", "\n8\n"))
    other = body(size, origin=OTHER.name)
    case("checkpoint of another log", "UnknownLog", good, other + "\n" + OTHER.sign(other))
    case("no checkpoint", "Malformed", "\n".join(good) + "\n\n")
    case("no empty line", "Malformed", "\n".join(good) + "\n" + signed)
    case("two empty lines", "Malformed", "\n".join(good) + "\n\n\n" + signed)
    case("version 2", "Malformed", [first.replace("v1", "v2"), line, *hashes])
    case("first line missing", "Malformed", good[1:])
    case("index missing", "Malformed", [first, *hashes])
    case("index with a leading zero", "Malformed", [first, "index 05", *hashes])
    case("index with two spaces", "Malformed", [first, "index  5", *hashes])
    case("index over 2^48", "Malformed", [first, f"index {2**48}", *hashes])
    case("index after the hashes", "Malformed", [first, *hashes, line])
    case("extra after the index", "Malformed", [first, line, extra, *hashes])
    case("extra twice", "Malformed", [first, extra, extra, line, *hashes])
    case("extra of nothing", "Malformed", [first, "extra ", line, *hashes])
    case("extra that is not Base64", "Malformed", [first, "extra ?", line, *hashes])
    case("extra over 4096 bytes", "Malformed", [first, "extra " + b64(bytes(4097)), line, *hashes])
    case("a hash of 31 bytes", "Malformed", [first, line, b64(bytes(31)), *hashes[1:]])
    case("a hash with a space after it", "Malformed", [first, line, hashes[0] + " ", *hashes[1:]])
    case("64 hashes", "Malformed", [first, line, *[hashes[0]] * 64])
    case("a carriage return", "Malformed", [first + "\r", line, *hashes])
    return "proof files, the entry they are for, and the log's key", cases


def tiles():
    cases = []

    def path_case(name, expect, text, content=None, index=None, width=None):
        cases.append({"name": name, "expect": expect, "kind": "path", "path": text, "content": content, "index": index, "width": width})

    path_case("the first leaf tile", "ok", "tile/0/000", 0, 0, 256)
    path_case("a partial tile", "ok", "tile/0/273.p/112", 0, 273, 112)
    path_case("three groups", "ok", "tile/1/x001/x234/067", 1, 1234067, 256)
    path_case("a group of zeros inside", "ok", "tile/0/x001/x000/000.p/1", 0, 1000000, 1)
    path_case("an entry bundle", "ok", "tile/entries/x001/234.p/7", "entries", 1234, 7)
    path_case("the last leaf tile of 2^48", "ok", "tile/0/x001/x099/x511/x627/775", 0, 2**40 - 1, 256)
    path_case("the whole tree of 2^48", "ok", "tile/6/000.p/1", 6, 0, 1)
    for name, text in [
        ("a leading slash", "/tile/0/000"), ("no index", "tile/0/"), ("level with a leading zero", "tile/00/000"), ("a negative level", "tile/-1/000"),
        ("a level past the tree", "tile/7/000"), ("level 64", "tile/64/000"), ("too wide for 2^48", "tile/6/000"),
        ("an index past 2^48", "tile/0/x001/x099/x511/x627/776"), ("an index past 64 bits", "tile/0/x999/x999/x999/x999/x999/x999/999"),
        ("two digits", "tile/0/00"), ("four digits", "tile/0/0000"), ("x before the last group", "tile/0/x000"), ("no x before the first group", "tile/0/001/234"),
        ("a needless group", "tile/0/x000/001"), ("width 0", "tile/0/000.p/0"), ("width 256 written out", "tile/0/000.p/256"), ("width 257", "tile/0/000.p/257"),
        ("width with a leading zero", "tile/0/000.p/01"), ("no width", "tile/0/000.p/"), ("two widths", "tile/0/000.p/1.p/1"), ("a dot path", "tile/0/../000"),
        ("letters", "tile/0/abc"), ("a plus", "tile/0/+01"), ("another kind", "tile/data/000"), ("a slash after it", "tile/0/000/"), ("a query", "tile/0/000?x"),
        ("capital X", "tile/0/X001/234"), ("a newline after it", "tile/0/000\n"), ("empty", ""),
    ]:
        path_case(name, "Malformed", text)
    path_case("a path over 64 bytes", "TooLarge", "tile/0/" + "x000/" * 12 + "001")

    def content(name, expect, text, data, hashes=None):
        cases.append({"name": name, "expect": expect, "kind": "content", "path": text, "bytes": data.hex(),
                      "root": root(hashes).hex() if hashes else None})

    packed = b"".join(struct.pack(">H", 33) + entry(i) for i in range(4))
    content("four hashes", "ok", "tile/0/000.p/4", b"".join(LEAVES[:4]), LEAVES[:4])
    content("256 hashes", "ok", "tile/0/000", b"".join(LEAVES[:256]), LEAVES[:256])
    content("four entries", "ok", "tile/entries/000.p/4", packed, LEAVES[:4])
    content("an entry of no bytes", "ok", "tile/entries/000.p/1", b"\0\0", [sha(b"\0")])
    content("no hashes", "Malformed", "tile/0/000.p/4", b"")
    content("a hash too few", "Malformed", "tile/0/000.p/4", b"".join(LEAVES[:3]))
    content("a hash too many", "Malformed", "tile/0/000.p/4", b"".join(LEAVES[:5]))
    content("a hash cut off", "Malformed", "tile/0/000.p/4", b"".join(LEAVES[:4])[:-1])
    content("an entry too few", "Malformed", "tile/entries/000.p/5", packed)
    content("an entry too many", "Malformed", "tile/entries/000.p/3", packed)
    content("an entry cut off", "Malformed", "tile/entries/000.p/4", packed[:-1])
    content("a length cut off", "Malformed", "tile/entries/000.p/5", packed + b"\0")
    content("a length past the end", "Malformed", "tile/entries/000.p/1", b"\xff\xff" + entry(0))
    return "paths of tiles, and contents (hexadecimal) with the root of their leaves", cases


def example():
    """The worked example of docs/spec/log.md."""
    text = body(3)
    cosigned = text + "\n" + LOG.sign(text) + W1.cosign(TIME, text)
    proof_file = "\n".join(["c2sp.org/tlog-proof@v1", "index 1", *[b64(h) for h in path(1, LEAVES[:3])]]) + "\n\n" + cosigned
    out = {
        "what": "the worked example of docs/spec/log.md; secret seeds are SHA-256 of the words log and w1",
        "log_seed": LOG.seed.hex(), "log_vkey": LOG.vkey(), "witness_seed": W1.seed.hex(), "witness_vkey": W1.vkey(), "time": TIME,
        "entries": [entry(i).hex() for i in range(3)], "leaves": [h.hex() for h in LEAVES[:3]],
        "node_1_0": root(LEAVES[:2]).hex(), "root": root(LEAVES[:3]).hex(),
        "inclusion_of_1": [h.hex() for h in path(1, LEAVES[:3])], "consistency_2_to_3": [h.hex() for h in subproof(2, LEAVES[:3], True)],
        "checkpoint": cosigned, "proof_file": proof_file,
        "bundle": b"".join(struct.pack(">H", 33) + entry(i) for i in range(3)).hex(),
        "policy": f"log {LOG.vkey()}\nwitness w1 {W1.vkey()}\nquorum w1\n",
    }
    (HERE / "example.json").write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")


for make in (merkle, note, vkeys, checkpoint, cosignature, policy, proof, tiles):
    write(make.__name__, *make())
example()
