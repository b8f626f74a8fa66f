"""Makes tests/vectors/identity/requests.json and issued.json; the other files there are made by the first implementation."""

from . import der, hpke, identity, jws
from .common import b64, b64url, compact, sha256
from .vectors import write
from .world import ANA, DIICOT, FIRST_LIST, JOOST, PIN

TYP = "custodia-device-request+jws"


def requests():
    cases = []
    said = {
        "v": 1, "device": ANA.id.hex(), "person": "ro-diicot/ana.pop", "name": "Ana Pop", "label": "laptop 2", "role": "prosecutor", "key": b64url(ANA.key.public),
        "sealing_key": b64url(hpke.public_key(ANA.sealing)), "time": "2026-05-30T09:00:00+03:00",
    }

    def case(name, expect, change=(), signer=sha256(ANA.key.public), key=ANA.key, typ=TYP, text=None):
        text = text or jws.sign(typ, signer, compact({**said, **dict(change)}).encode(), key)
        cases.append({"name": name, "expect": expect, "request": text, "fingerprint": sha256(text.encode()).hex(), "seed": ANA.key.seed.hex()})

    case("prosecutor", "ok")
    case("administrator-without-sealing-key", "ok", {"role": "administrator", "sealing_key": None})
    case("recovery-device-with-a-name-in-another-script", "ok", {"role": "recovery", "name": "Θεοδώρα Παπαδοπούλου"})
    for name, change in [
        ("version-2", {"v": 2}), ("device-id-in-capitals", {"device": "AB" * 16}), ("device-id-short", {"device": "ab" * 15}), ("person-without-office", {"person": "ana.pop"}),
        ("person-of-two-slashes", {"person": "ro-diicot/ana/pop"}), ("office-that-begins-with-a-digit", {"person": "1-diicot/ana.pop"}), ("name-empty", {"name": ""}), ("name-of-65-characters", {"name": "a" * 65}),
        ("name-with-two-spaces", {"name": "Ana  Pop"}), ("name-that-ends-with-a-space", {"name": "Ana "}), ("name-that-turns-the-direction", {"name": "Ana\u202ePop"}), ("name-with-a-private-character", {"name": "Ana \ue000"}),
        ("label-of-33-characters", {"label": "l" * 33}), ("unknown-role", {"role": "judge"}), ("prosecutor-without-sealing-key", {"sealing_key": None}), ("sealing-key-of-1215-bytes", {"sealing_key": b64url(bytes(1215))}),
        ("time-without-offset", {"time": "2026-05-30T09:00:00"}), ("an-unknown-member", {"office": "ro-diicot"}), ("key-of-31-bytes", {"key": b64url(ANA.key.public[:31])}),
    ]:
        case(name, "Malformed", change)
    case("key-of-small-order", "Malformed", {"key": b64url(b"\x01" + bytes(31))}, sha256(b"\x01" + bytes(31)))
    case("header-that-names-another-key", "Malformed", signer=sha256(JOOST.key.public))
    case("a-key-that-did-not-sign", "Jws", {"key": b64url(JOOST.key.public)}, sha256(JOOST.key.public))
    case("signed-as-an-intent", "Jws", typ="custodia-intent+jws")
    case("sealing-key-left-out", "Malformed", text=jws.sign(TYP, sha256(ANA.key.public), compact({k: v for k, v in said.items() if k != "sealing_key"}).encode(), ANA.key))
    case("white-space", "Malformed", text=jws.sign(TYP, sha256(ANA.key.public), compact(said).replace(",", ", ").encode(), ANA.key))
    write("identity", "requests", "device requests, and the fingerprint that is compared by voice; `seed` is the secret key of the device", cases)


def issued():
    """Certificates of this implementation: what the first one makes and reads is in certificates.json."""
    cases, texts = [], ("RO", "ro-diicot", "laptop", "Ana Pop", "ana.pop", ANA.id.hex())
    at = "2026-06-01T00:00:00Z"

    def case(name, expect, data):
        cases.append({"name": name, "expect": expect, "certificate": b64(data)})

    def device(texts=texts, role="prosecutor", start="2026-01-01T00:00:00Z", end="2026-12-31T23:59:59Z", change=lambda tbs: tbs):
        whole = identity.write_device(DIICOT.root, DIICOT.key, ANA.key.public, texts, role, hpke.public_key(ANA.sealing), start, end)
        pieces = der.each(der.whole(whole, der.SEQUENCE))
        tbs = change(pieces[0][2])
        return der.put(der.SEQUENCE, tbs, pieces[1][2], der.put(der.BITS, b"\0", DIICOT.key.sign(tbs)))

    def swapped(old, new):
        return lambda tbs: rewritten(tbs, old, new)

    case("prosecutor", "ok", device())
    case("recovery", "ok", device(role="recovery"))
    utc = der.put(der.UTC, b"260101000000Z")
    case("a-time-before-2050-that-is-not-utctime", "IDN-05", device(change=swapped(utc, der.put(der.GENERALIZED, b"20260101000000Z"))))
    case("a-time-with-an-offset", "IDN-05", device(change=swapped(utc, der.put(der.UTC, b"260101000000+0000"))))
    case("a-time-without-seconds", "IDN-05", device(change=swapped(utc, der.put(der.UTC, b"2601010000Z"))))
    case("country-as-utf8string", "IDN-05", device(change=lambda tbs: last(tbs, der.put(der.PRINTABLE, b"RO"), der.put(der.UTF8, b"RO"))))
    case("device-id-as-utf8string", "IDN-05", device(change=lambda tbs: last(tbs, der.put(der.PRINTABLE, ANA.id.hex().encode()), der.put(der.UTF8, ANA.id.hex().encode()))))
    case("device-id-in-capitals", "IDN-05", device((*texts[:5], "AB" * 16)))
    case("a-subject-in-another-order", "IDN-05", device(change=lambda tbs: reordered(tbs)))
    case("critical-false-written-out", "IDN-05", device(change=swapped(der.put_oid(identity.SUBJECT_KEY), der.put_oid(identity.SUBJECT_KEY) + b"\x01\x01\x00")))
    case("version-1", "IDN-05", device(change=swapped(bytes.fromhex("a003020102"), b"")))
    case("algorithm-with-parameters", "IDN-05", device(change=swapped(identity.ALGORITHM, der.put(der.SEQUENCE, der.put_oid(identity.ED25519), b"\x05\0"))))
    case("a-length-that-is-not-the-shortest", "IDN-05", device(change=lambda tbs: longer(tbs)))
    case("signed-by-another-root", "IDN-06", resigned(device()))
    write("identity", "issued", f"device certificates made by the second implementation, judged at {at} under the list of `list.json`", cases)
    from .vectors import keep
    import json

    keep("identity/list.json", (json.dumps({"what": "a first trust list made by the second implementation", "pin": PIN.hex(), "at": at, "list": FIRST_LIST}, indent=1) + "\n").encode())


def rewritten(data, old, new):
    """The same DER with the first element that is `old` made otherwise."""
    done = []

    def walk(tag, content, whole):
        if not done and whole == old:
            done.append(True)
            return new
        return der.put(tag, *(walk(*one) for one in der.each(content))) if tag & 0x20 else whole

    (element,) = der.each(data)
    out = walk(*element)
    assert done
    return out


def last(tbs, old, new):
    """Changes the subject, which stands after an issuer of like parts."""
    pieces = [whole for _, _, whole in der.each(der.whole(tbs, der.SEQUENCE))]
    return der.put(der.SEQUENCE, *pieces[:5], rewritten(pieces[5], old, new), *pieces[6:])


def reordered(tbs):
    pieces = der.each(der.whole(tbs, der.SEQUENCE))
    names = [whole for _, _, whole in der.each(pieces[5][1])]
    names[2], names[3] = names[3], names[2]
    return der.put(der.SEQUENCE, *(der.put(der.SEQUENCE, *names) if number == 5 else whole for number, (_, _, whole) in enumerate(pieces)))


def longer(tbs):
    pieces = der.each(der.whole(tbs, der.SEQUENCE))
    validity = pieces[4][1]
    return der.put(der.SEQUENCE, *(b"\x30\x81" + bytes([len(validity)]) + validity if number == 4 else whole for number, (_, _, whole) in enumerate(pieces)))


def resigned(data):
    pieces = der.each(der.whole(data, der.SEQUENCE))
    return der.put(der.SEQUENCE, pieces[0][2], pieces[1][2], der.put(der.BITS, b"\0", JOOST.office.key.sign(pieces[0][2])))


def run():
    requests()
    issued()


