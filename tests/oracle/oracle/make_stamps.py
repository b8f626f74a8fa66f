"""Makes tests/vectors/stamps/cases.json: time stamps of one checkpoint, and what each is worth."""

import json

from . import authority, der, log, stamp
from .authority import SHA256, SHA384, SHA512, Certificate, Ec, Ed, Rsa, basic, extended, integer, octets, seq, signer, stamp_of, usage
from .common import b64, sha256
from .vectors import keep
from .world import LOG, LOG_KEY, ORIGIN, seed

TIME = 1_780_400_000  # 2026-06-02T11:33:20Z
BODY = log.body(ORIGIN, 5, sha256(b"a root"))
STAMPED = (BODY + "\n" + log.signature_line(ORIGIN, log.key_id(ORIGIN, 1, LOG_KEY.public), LOG_KEY.sign(BODY.encode()))).encode()

RSA2, RSA4, P256, P384, ED = Rsa(2048), Rsa(4096), Ec("tsa p-256"), Ec("tsa p-384", authority.ec.SECP384R1), Ed("tsa ed25519")
ROOT = Certificate("Root", Ec("tsa root", authority.ec.SECP384R1), digest=SHA384)
ROOT_RSA = Certificate("Root R", RSA4)
STRANGER = Certificate("Stranger", Ec("tsa stranger"))
# Of the root's name, by another key.
IMPOSTOR = Certificate("Root", Ec("tsa impostor"))
OWN = signer("Stamps", P256, ROOT)
FAR = signer("Far stamps", P256, STRANGER)
PINNED = {"root": ROOT, "root-rsa": ROOT_RSA}


def chain(count, **changes):
    """`count` intermediates below the root, and a signer below them; `changes` are of the intermediate of that number."""
    above, made = ROOT, []
    for number in range(count):
        above = Certificate(f"Intermediate {number + 1} of {count}", Ec(f"tsa intermediate {number}"), above, **changes.get(f"n{number}", {}))
        made.append(above)
    own = signer("Stamps below", P256, above)
    return own, [own, *made]


CASES = []


def case(name, expect, fault, response, roots=("root", "root-rsa"), **told):
    CASES.append({"name": name, "expect": expect, "fault": fault, "roots": list(roots), "stamp": b64(response), **told})


def good(name, own=OWN, earliest=TIME * 1000, latest=None, serial="01", response=None, **how):
    latest = earliest if latest is None else latest
    case(name, "genuine", None, response or stamp_of(STAMPED, own, TIME, **how), earliest=earliest, latest=latest, serial=serial)


def bad(name, fault, own=OWN, response=None, roots=("root", "root-rsa"), expect="fails", **how):
    case(name, expect, fault, response or stamp_of(STAMPED, own, TIME, **how), roots)


def accuracy(second=None, millis=None, micros=None):
    def number(tag, value):
        return der.put(tag, integer(value)[2:]) if value is not None else b""

    return seq(number(der.INTEGER, second), number(0x80, millis), number(0x81, micros))


# Good ones.

good("p-256-sha-256")
good("p-384-sha-384", signer("Stamps 384", P384, ROOT), digest=SHA384)
good("p-384-sha-256", signer("Stamps 384", P384, ROOT))
good("p-256-sha-512", digest=SHA512)
good("ed25519", signer("Stamps Ed", ED, ROOT), digest=SHA512)
good("rsa-2048-sha-256", signer("Stamps R2", RSA2, ROOT_RSA))
good("rsa-2048-sha-384", signer("Stamps R2", RSA2, ROOT_RSA, digest=SHA384), digest=SHA384)
good("rsa-4096-sha-512", signer("Stamps R4", RSA4, ROOT_RSA, digest=SHA512), digest=SHA512)
good("rsa-whose-algorithm-names-no-digest", signer("Stamps R2", RSA2, ROOT_RSA), rsa_alone=True)
good("imprint-sha-384", imprint=SHA384)
good("imprint-sha-512", imprint=SHA512)
good("granted-with-modifications", status=1)
good("below-one-intermediate", *chain(1)[:1], certificates=chain(1)[1])
good("below-four-intermediates-in-another-order", *chain(4)[:1], certificates=chain(4)[1][::-1])
good("with-certificates-that-are-not-needed", certificates=[STRANGER, IMPOSTOR, OWN, FAR, ROOT])
good("with-an-unreadable-certificate", certificates=[type("Junk", (), {"der": seq(b"\5\0")}), OWN])
good("signer-named-by-key-id", signer("Stamps by id", P256, ROOT, of_key_id=True), signer_version=3)
good("signing-certificate-of-rfc-2634", attributes={stamp.SIGNING_CERTIFICATE_2: None, stamp.SIGNING_CERTIFICATE: seq(seq(seq(octets(stamp.digested(stamp.hashes.SHA1, OWN.der)))))})
good("signing-certificate-by-sha-512", attributes={stamp.SIGNING_CERTIFICATE_2: seq(seq(seq(authority.algorithm(authority.OIDS[SHA512], b""), octets(stamp.digested(SHA512, OWN.der)))))})
good("accuracy-of-seconds", accuracy=accuracy(2), earliest=(TIME - 2) * 1000, latest=(TIME + 2) * 1000)
good("accuracy-of-microseconds", accuracy=accuracy(1, 500, 1), earliest=TIME * 1000 - 1501, latest=TIME * 1000 + 1501)
good("fraction-of-a-second", fraction=".1239", earliest=TIME * 1000 + 123)
good("with-a-nonce-order-name-and-extension", nonce=b"\1\1\xff" + integer(1 << 63), tail=der.put(0xA0, der.put(0xA4, OWN.subject)) + der.put(0xA1, seq(der.put_oid("1.2.3.4"), octets(b"x"))))
good("of-a-long-number", number=(1 << 160) - 1, serial="00" + "ff" * 20)
good("with-an-unsigned-attribute", after=der.put(0xA1, seq(der.put_oid("1.2.3.4"), der.put(der.SET, b"\5\0"))))
good("in-the-first-second-of-its-certificate", signer("Stamps from", P256, ROOT, start="20260602113320Z"))
good("in-the-last-second-of-its-certificate", signer("Stamps until", P256, ROOT, end="20260602113320Z"), fraction=".9", earliest=TIME * 1000 + 900)
good("certificate-for-non-repudiation", signer("Stamps n", P256, ROOT, [usage(1), extended(stamp.TIME_STAMPING)]))

# Who is not pinned counts for nothing.

nothing = {"expect": "counts-for-nothing"}
bad("by-an-authority-that-is-not-pinned", "unknown-authority", FAR, **nothing)
bad("by-a-root-of-a-pinned-name", "unknown-authority", signer("Stamps i", P256, IMPOSTOR), certificates=[signer("Stamps i", P256, IMPOSTOR), IMPOSTOR], **nothing)
bad("without-pinned-roots", "unknown-authority", roots=(), **nothing)
bad("without-its-certificate", "unknown-authority", certificates=[], **nothing)
bad("without-its-intermediate", "unknown-authority", chain(2)[0], certificates=chain(2)[1][:2], **nothing)
bad("below-five-intermediates", "unknown-authority", chain(5)[0], certificates=chain(5)[1], **nothing)
bad("certificate-with-a-changed-signature", "unknown-authority", certificates=[type("Bent", (), {"der": OWN.der[:-1] + bytes([OWN.der[-1] ^ 1])})], **nothing)
bad("signer-is-the-pinned-certificate", "unknown-authority", OWN, roots=("own",), **nothing)
bad("signer-of-another-number-than-the-certificate", "unknown-authority", signer("Stamps", P256, ROOT, serial=7), certificates=[OWN], **nothing)
bad("certificate-signed-by-sha-1", "unknown-authority", signer("Stamps 1", P256, ROOT, digest=stamp.hashes.SHA1), **nothing)

# The form.

good_one = stamp_of(STAMPED, OWN, TIME)
bad("of-another-checkpoint", "other-imprint", response=stamp_of(STAMPED.replace(b"\n5\n", b"\n6\n"), OWN, TIME))
bad("of-the-text-without-the-signature", "other-imprint", response=stamp_of(BODY.encode(), OWN, TIME))
bad("of-another-checkpoint-by-a-stranger", "other-imprint", response=stamp_of(b"other", FAR, TIME))
bad("not-granted", "not-granted", response=authority.seq(seq(integer(2))))
bad("waiting-with-a-token", "not-granted", status=3)
bad("granted-without-a-token", "malformed", response=authority.seq(seq(integer(0))))
bad("bytes-after-the-end", "malformed", response=good_one + b"\0")
bad("cut-short", "malformed", response=good_one[:-1])
bad("empty", "malformed", response=b"\x30\0")
bad("the-token-alone", "malformed", response=seq(good_one[good_one.index(der.put_oid(stamp.SIGNED_DATA)) :]))
bad("of-indefinite-length", "malformed", response=b"\x30\x80" + good_one[4:] + b"\0\0")
bad("length-not-the-shortest", "malformed", response=b"\x30\x83\0" + good_one[2:])
bad("over-the-limit", "too-large", after=der.put(0xA1, seq(der.put_oid("1.2.3.4"), der.put(der.SET, octets(bytes(64 * 1024))))))
bad("two-signers", "malformed", twice=True)
bad("version-1", "malformed", version=1)
bad("signer-of-version-2", "malformed", signer_version=2, own=signer("Stamps by id", P256, ROOT, of_key_id=True))
bad("no-signed-attributes", "malformed", attributes={stamp.CONTENT_TYPE: None, stamp.MESSAGE_DIGEST: None, stamp.SIGNING_CERTIFICATE_2: None})
bad("more-than-16-certificates", "malformed", certificates=[OWN] * 17)
bad("content-of-version-2", "malformed", response=stamp_of(STAMPED, OWN, TIME, content=seq(integer(2), b"")))
bad("time-without-z", "malformed", text="20260602113320")
bad("time-with-an-offset", "malformed", text="20260602113320+0000")
bad("time-that-is-none", "malformed", text="20260631113320Z")
bad("time-with-a-leap-second", "malformed", text="20260602113360Z")
bad("time-before-1970", "malformed", text="19691231235959Z")
bad("accuracy-of-1000-milliseconds", "malformed", accuracy=accuracy(0, 1000))
bad("accuracy-that-is-negative", "malformed", accuracy=seq(b"\2\1\xff"))
bad("critical-extension-of-the-content", "malformed", tail=der.put(0xA1, seq(der.put_oid("1.2.3.4"), b"\1\1\xff", octets(b"x"))))


def exchanged(response):
    """The signed attributes in another order; the signature holds for the order of DER."""
    token = der.put_oid(stamp.CONTENT_TYPE), der.put_oid(stamp.SIGNING_CERTIFICATE_2)
    first = seq(token[0], der.put(der.SET, der.put_oid(stamp.TST_INFO)))
    at = response.index(first)
    second = der.one(response[at + len(first) :])
    whole = response[at + len(first) : len(response) - len(second[2])]
    return response[:at] + whole + first + second[2]


bad("signed-attributes-out-of-order", "malformed", response=exchanged(good_one))

# The rest, of one that leads to a pinned root.

bad("imprint-of-sha-1", "digest", imprint=stamp.hashes.SHA1)
bad("signer-digests-by-sha-1", "digest", digest=stamp.hashes.SHA1, by=RSA2, own=signer("Stamps R2", RSA2, ROOT_RSA))
bad("no-content-type", "content-type", attributes={stamp.CONTENT_TYPE: None})
bad("another-content-type", "content-type", attributes={stamp.CONTENT_TYPE: der.put_oid("1.2.840.113549.1.7.1")})
bad("no-message-digest", "message-digest", attributes={stamp.MESSAGE_DIGEST: None})
bad("message-digest-of-other-content", "message-digest", attributes={stamp.MESSAGE_DIGEST: octets(bytes(32))})
bad("no-signing-certificate", "signing-certificate", attributes={stamp.SIGNING_CERTIFICATE_2: None})
bad("signing-certificate-of-another", "signing-certificate", certified=FAR)
bad("signing-certificate-right-in-one-attribute-and-wrong-in-the-other", "signing-certificate", attributes={stamp.SIGNING_CERTIFICATE: seq(seq(seq(octets(bytes(20)))))})
bad("signing-certificate-second", "signing-certificate", attributes={stamp.SIGNING_CERTIFICATE_2: seq(seq(*(seq(octets(stamp.digested(SHA256, one.der))) for one in (FAR, OWN))))})
bad("signature-by-another-key", "signature", by=Ec("tsa stranger"))
bad("signature-over-the-content-itself", "signature", signature=P256.sign(SHA256, b"x"))
bad("signature-with-a-bit-changed", "signature", response=good_one[:-1] + bytes([good_one[-1] ^ 1]))
bad("signature-of-rsa-1024", "signature", signer("Stamps R1", Rsa(1024), ROOT_RSA))
bad("signature-of-p-521", "signature", signer("Stamps 521", Ec("tsa p-521", authority.ec.SECP521R1), ROOT))
bad("ed25519-with-a-bit-changed", "signature", signer("Stamps Ed", ED, ROOT), digest=SHA512, signature=bytes([1]) + ED.sign(SHA512, b"")[1:])
bad("certificate-without-extended-key-usage", "extended-key-usage", signer("Stamps x", P256, ROOT, [usage(0)]))
bad("extended-key-usage-not-critical", "extended-key-usage", signer("Stamps c", P256, ROOT, [usage(0), extended(stamp.TIME_STAMPING, critical=False)]))
bad("extended-key-usage-of-more", "extended-key-usage", signer("Stamps m", P256, ROOT, [usage(0), extended(stamp.TIME_STAMPING, authority.SERVER_AUTH)]))
bad("extended-key-usage-of-a-web-server", "extended-key-usage", signer("Stamps w", P256, ROOT, [usage(0), extended(authority.SERVER_AUTH)]))
bad("key-usage-of-no-signature", "key-usage", signer("Stamps k", P256, ROOT, [usage(2), extended(stamp.TIME_STAMPING)]))
bad("certificate-expired", "validity", signer("Stamps e", P256, ROOT, end="20260602113319Z"))
bad("certificate-not-yet-valid", "validity", signer("Stamps y", P256, ROOT, start="20260602113321Z"))
bad("root-expired", "validity", signer("Stamps below an old root", P256, Certificate("Old root", Ec("tsa old root"), end="20260602113319Z")), roots=("old-root",))
bad("critical-extension-unknown", "critical-extension", signer("Stamps u", P256, ROOT, [usage(0), extended(stamp.TIME_STAMPING), authority.extension("1.2.3.4", b"\5\0", True)]))
PINNED["own"] = OWN
PINNED["old-root"] = Certificate("Old root", Ec("tsa old root"), end="20260602113319Z")


def below(name, fault, number=0, count=1, **change):
    own, certificates = chain(count, **{f"n{number}": change})
    bad(name, fault, own, certificates=certificates)


below("intermediate-that-is-no-authority", "not-an-authority", extensions=[basic(False), usage(5)])
below("intermediate-without-basic-constraints", "not-an-authority", extensions=[usage(5)])
below("intermediate-that-may-not-sign-certificates", "not-an-authority", extensions=[basic(), usage(0, 6)])
below("intermediate-for-no-more-below-it", "not-an-authority", 0, 2, extensions=[basic(most=0), usage(5)])
below("intermediate-expired", "validity", end="20260602113319Z")
below("intermediate-with-an-unknown-critical-extension", "critical-extension", extensions=[basic(), usage(5), authority.extension("2.5.29.30", seq(), True)])
no_root = Certificate("No root", Ec("tsa no root"), extensions=[usage(5)])
PINNED["no-root"] = no_root
bad("root-that-is-no-authority", "not-an-authority", signer("Stamps below no root", P256, no_root), roots=("no-root",))


def run():
    names = [one["name"] for one in CASES]
    assert len(names) == len(set(names)), [one for one in names if names.count(one) > 1]
    what = "time stamps of one checkpoint by docs/spec/witnesses.md §3: genuine, failing or counting for nothing under the pinned roots; and the rule that is broken"
    file = {"what": what, "log": LOG, "checkpoint": STAMPED.decode(), "roots": {name: one.pem for name, one in PINNED.items()}, "cases": CASES}
    keep("stamps/cases.json", (json.dumps(file, indent=1, ensure_ascii=False) + "\n").encode())
