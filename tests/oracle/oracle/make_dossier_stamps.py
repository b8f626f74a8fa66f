"""Cases of make_dossier with stamped checkpoints: LOG-05 to LOG-07."""

from . import der, log, stamp, world
from .authority import Certificate, Ec, authority_of, extended, signer, stamp_of, usage
from .common import Key, sha256
from .make_dossier import Maker, at, case, changed, lines
from .world import AUDITOR_KEY, AUDITOR_NAME, LOG_KEY, ORIGIN, seed

# Records 0 to 6 are of 1_780_308_000 s and a second more each; record 3 is the collection, 5 the disclosure.
START = 1_780_308_000
OWN, ROOT = authority_of("root")
FAR = signer("Far stamps", Ec("tsa p-256"), Certificate("Stranger", Ec("tsa stranger")))
DEMANDED = {"tsa_roots": ROOT.pem, "stamps": "demanded", "stamp_window_seconds": 86400}
SHOWN = {"tsa_roots": ROOT.pem}
FOLDER = "custody/checkpoints/"


def note(records, size, key=LOG_KEY, origin=ORIGIN, root=None):
    leaves = [log.leaf_hash(world.custody.entry(record.commitment)) for record in records[:size]]
    text = log.body(origin, size, root or log.root(leaves))
    return (text + "\n" + log.signature_line(origin, log.key_id(origin, 1, key.public), key.sign(text.encode()))).encode()


class Stamped(Maker):
    """Stamps of the checkpoint before the collection and of the final one, each half a second after its last record."""

    # Size and the seconds since START at which it is stamped, and more for `stamp_of`.
    stamped = [(3, 2, {}), (7, 6, {})]
    own = OWN

    def tags(self):
        records, leaves = self.log.records, self.log.leaves()
        tags, counts = Maker.tags(self), {}
        for size, second, how in self.stamped:
            counts[size] = counts.get(size, 0) + 1
            how = {"fraction": ".5", "number": size, "own": self.own, **how}
            tags[f"{FOLDER}{size}"] = self.note(records, size)
            tags[f"{FOLDER}{size}.proof"] = lines(one.hex() for one in log.consistency(size, leaves))
            stamped = how.pop("of", tags[f"{FOLDER}{size}"])
            tags[f"{FOLDER}{size}.{counts[size]}.tsr"] = stamp_of(stamped, time=START + second, **how)
        return tags

    def note(self, records, size):
        return note(records, size)


def stamped(*which, **steps):
    return type("Changed", (Stamped,), {"stamped": list(which) or Stamped.stamped, **steps})


def file(name, data):
    """A file of the folder is another, or gone."""
    return stamped(damage=at(FOLDER + name, data))


# Good ones.

case("stamps-on-both-sides", "PASSED", **DEMANDED)(Stamped)
case("stamps-between-all-records", "PASSED", **{**DEMANDED, "stamp_window_seconds": 3})(stamped(*((size, size - 1, {}) for size in range(1, 8))))
case("stamps-with-accuracy", "PASSED", **DEMANDED)(stamped((3, 4, {"accuracy": der.put(der.SEQUENCE, b"\2\1\2")}), (7, 4, {"accuracy": der.put(der.SEQUENCE, b"\2\1\2")})))
case("stamps-of-two-authorities", "PASSED", **{**DEMANDED, "tsa_roots": ROOT.pem + Certificate("Stranger", Ec("tsa stranger")).pem})(stamped((3, 2, {}), (3, 1, {"own": FAR}), (7, 6, {"own": FAR})))
case("stamps-with-one-by-a-stranger", "PASSED", **DEMANDED)(stamped((3, 2, {}), (3, -999, {"own": FAR}), (7, 6, {})))
case("stamps-by-a-stranger-that-are-not-demanded", "PASSED", **SHOWN)(stamped(own=FAR))
case("stamps-of-nobody-that-is-pinned", "PASSED")(Stamped)
case("stamps-on-one-side-that-are-not-demanded", "PASSED", **SHOWN)(stamped((7, 6, {})))
case("stamps-further-apart-than-the-window-that-are-not-demanded", "PASSED", **SHOWN, stamp_window_seconds=3)(Stamped)
case("stamps-of-the-empty-log", "PASSED", **DEMANDED)(stamped((0, -1, {}), (7, 6, {})))

# Indeterminate.

case("stamps-demanded-and-none-there", "INDETERMINATE", "LOG-07", **DEMANDED)(Maker)
case("stamps-demanded-and-only-before", "INDETERMINATE", "LOG-07", **DEMANDED)(stamped((3, 2, {})))
case("stamps-demanded-and-only-after", "INDETERMINATE", "LOG-07", **DEMANDED)(stamped((7, 6, {})))
case("stamps-demanded-and-one-record-before-the-first", "INDETERMINATE", "LOG-07", **DEMANDED)(stamped((4, 3, {}), (7, 6, {})))
case("stamps-demanded-and-further-apart-than-the-window", "INDETERMINATE", "LOG-07", **{**DEMANDED, "stamp_window_seconds": 3})(Stamped)
case("stamps-demanded-of-another-authority", "INDETERMINATE", "LOG-07", **DEMANDED)(stamped(own=FAR))

# The stamped checkpoints.

OTHER_LOG = Key(seed("a stranger"))
case("stamped-checkpoint-by-another-key", "FAILED", "LOG-05", **SHOWN)(stamped(note=lambda self, records, size: note(records, size, OTHER_LOG)))
case("stamped-checkpoint-of-another-origin", "FAILED", "LOG-05", **SHOWN)(stamped(note=lambda self, records, size: note(records, size, origin="elsewhere.example/log")))
case("stamped-checkpoint-of-a-fork", "FAILED", "LOG-05", **SHOWN)(stamped(note=lambda self, records, size: note(records, size, root=sha256(b"another history") if size == 3 else None)))
case("stamped-checkpoint-of-another-root-for-the-last-size", "FAILED", "LOG-05", **SHOWN)(stamped(note=lambda self, records, size: note(records, size, root=sha256(b"another history") if size == 7 else None)))
case("stamped-checkpoint-of-another-size-than-its-name", "FAILED", "LOG-05", **SHOWN)(stamped(note=lambda self, records, size: note(records, 4 if size == 3 else size)))


def larger(self):
    tags = Stamped.tags(self)
    tags[FOLDER + "9"] = note(self.log.records, 9, root=sha256(b"later"))
    tags[FOLDER + "9.proof"] = b""
    tags[FOLDER + "9.1.tsr"] = stamp_of(tags[FOLDER + "9"], OWN, START + 9)
    return tags


case("stamped-checkpoint-larger-than-the-final-one", "FAILED", "LOG-05", **SHOWN)(stamped(tags=larger))


def cosigned(data):
    text = data.split(b"\n\n")[0] + b"\n"
    signature = AUDITOR_KEY.sign(f"cosignature/v1\ntime {START}\n".encode() + text)
    return data + log.signature_line(AUDITOR_NAME, log.key_id(AUDITOR_NAME, 4, AUDITOR_KEY.public), START.to_bytes(8, "big") + signature).encode()


case("stamped-checkpoint-with-a-cosignature", "FAILED", "LOG-05", **SHOWN)(file("3", cosigned))
case("stamped-checkpoint-missing", "FAILED", "LOG-05", **SHOWN)(file("3", None))
case("stamped-checkpoint-without-its-proof", "FAILED", "LOG-05", **SHOWN)(file("3.proof", None))
case("stamped-checkpoint-with-the-proof-of-another", "FAILED", "LOG-05", **SHOWN)(file("3.proof", lambda data: lines(reversed(data.decode().splitlines()))))
case("stamped-checkpoint-whose-proof-is-cut-short", "FAILED", "LOG-05", **SHOWN)(file("3.proof", lambda data: lines(data.decode().splitlines()[:-1])))
case("stamped-checkpoint-whose-proof-does-not-end-its-line", "FAILED", "LOG-05", **SHOWN)(file("3.proof", lambda data: data[:-1]))
case("stamped-checkpoint-without-a-stamp", "FAILED", "LOG-05", **SHOWN)(file("3.1.tsr", None))
case("stamped-checkpoint-whose-stamps-have-a-gap", "FAILED", "LOG-05", **SHOWN)(file("3.3.tsr", b"x"))
case("stamped-checkpoint-named-in-another-spelling", "FAILED", "LOG-05", **SHOWN)(file("03", b"x"))
case("stamped-checkpoint-with-a-file-beside-it", "FAILED", "LOG-05", **SHOWN)(file("3.1.tsq", b"x"))

# The stamps.

case("stamp-of-another-checkpoint", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {}), (7, 6, {"of": b"other"})))
case("stamp-of-another-checkpoint-by-nobody-that-is-pinned", "FAILED", "LOG-06")(stamped((3, 2, {}), (7, 6, {"of": b"other"})))
case("stamp-that-is-none", "FAILED", "LOG-06", **SHOWN)(file("3.1.tsr", b"x"))
case("stamp-with-a-bit-changed", "FAILED", "LOG-06", **SHOWN)(file("3.1.tsr", lambda data: data[:-1] + bytes([data[-1] ^ 1])))
case("stamp-with-bytes-after-it", "FAILED", "LOG-06", **SHOWN)(file("3.1.tsr", lambda data: data + b"\0"))
case("stamp-over-the-limit", "FAILED", "LOG-06", **SHOWN)(file("3.1.tsr", lambda data: data + bytes(1 << 16)))
case("stamp-that-was-not-granted", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {"status": 2}), (7, 6, {})))
EXPIRED = signer("Stamps e", Ec("tsa p-256"), ROOT, end="20260601095959Z")
case("stamp-by-an-expired-certificate", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {}), (7, 6, {"own": EXPIRED})))
NOT_FOR_STAMPS = signer("Web", Ec("tsa p-256"), ROOT, [usage(0), extended("1.3.6.1.5.5.7.3.1")])
case("stamp-by-a-certificate-that-is-not-for-stamps", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {}), (7, 6, {"own": NOT_FOR_STAMPS})))
case("stamp-by-two-signers", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {}), (7, 6, {"twice": True})))
case("stamp-without-its-signing-certificate", "FAILED", "LOG-06", **SHOWN)(stamped((3, 2, {}), (7, 6, {"attributes": {stamp.SIGNING_CERTIFICATE_2: None}})))

# The times.

case("record-later-than-the-stamp-on-it", "FAILED", "LOG-07", **SHOWN)(stamped((3, 2, {}), (7, 4, {})))
case("record-earlier-than-the-stamp-before-it", "FAILED", "LOG-07", **SHOWN)(stamped((3, 3, {}), (7, 6, {})))
case("record-back-dated-by-a-day", "FAILED", "LOG-07", **DEMANDED)(stamped((3, 86402, {}), (7, 86406, {})))
case("record-outside-the-accuracy-of-its-stamp", "FAILED", "LOG-07", **SHOWN)(stamped((3, 5, {"accuracy": der.put(der.SEQUENCE, b"\2\1\1")}), (7, 6, {})))
case("record-contradicted-and-the-rest-only-stated", "FAILED", "LOG-07", **SHOWN)(stamped((4, 2, {})))
