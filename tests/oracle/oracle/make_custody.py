"""Makes tests/vectors/custody."""

import copy

from . import custody, jws, log, world
from .common import b64, b64url, compact, sha256
from .vectors import write
from .world import ANA, CASE, DIICOT, EXHIBIT, FIRST_LIST, JOOST, LENA, Log, payload, sign

D = [bytes([number]) * 32 for number in range(16)]
H = [digest.hex() for digest in D]
GROUP = {"id": CASE.hex() + "00000000", "epoch": 3, "transcript": "07" * 48}
CHAIN = {"seq": 4, "commitment": H[9]}
SEEN = {"size": 12, "root": H[8]}
MESSAGE = b64url(bytes([1]) * (56 + 512 + 16))
SEALED = {
    "message": MESSAGE, "ring": {"version": 2, "wrap": b64url(bytes([2]) * 104)},
    "auditors": [{"certificate": LENA.signer.hex(), "wrap": b64url(bytes([3]) * 1168)}], "trust_list": 1,
}
FOR_AUDITORS = {name: value for name, value in SEALED.items() if name != "ring"}
OF_EXHIBIT = {"exhibit": EXHIBIT.hex(), "group": GROUP, "seen": SEEN, "chain_seen": CHAIN, "sealed": SEALED}
OF_CASE = {"group": GROUP, "seen": SEEN, "sealed": SEALED}
OF_REGISTRY = {"case": "00" * 16, "seen": SEEN}
COLLECTION = {
    "manifest_commitment": H[1], "manifest_object": H[2], "objects": 3, "objects_digest": H[3], "sealed_bytes": 25190616,
    "exhibit_key_commitment": H[4], "release_share_commitment": H[5], "ring_version": 2, "handling": "H1", "review": "2031-06-01",
}
DERIVATION = {"how": "extract", "other": custody.derivation_commitment(D[6], EXHIBIT).hex()}
CREATE = {
    "group_id": GROUP["id"], "group_info": H[1], "ring_version": 1, "ring_commitment": H[2], "ring_row": H[3],
    "members": [{"certificate": ANA.signer.hex(), "terms": "founder"}], "review": "2031-06-01",
}
CHANGE = {
    "epoch": 3, "commit": H[1], "welcome": H[2], "ring_version": 3, "ring_commitment": H[3], "ring_row": H[4],
    "adds": [{"certificate": JOOST.signer.hex(), "terms": "chosen"}], "removes": [H[5]], "resync": False,
}

SUCCEED = {
    "generation": 1, "epoch": 3, "bad": H[1], "group_info": H[2], "commit": H[3], "welcome": H[4], "ring_version": 4, "ring_commitment": H[5],
    "ring_row": H[6], "members": [ANA.signer.hex(), JOOST.signer.hex()],
}


def good_intents():
    """Name, payload, signer."""
    opening = {**OF_EXHIBIT, "purpose": "trial", "recipients": ["nl-om/joost"]}
    yield "collection", payload("collection", COLLECTION, **{**OF_EXHIBIT, "chain_seen": None}), ANA
    yield "collection-of-an-extract", payload("collection", {**COLLECTION, "derivation": DERIVATION}, **{**OF_EXHIBIT, "chain_seen": None}), ANA
    yield "consultation", payload("consultation", {"mode": "view"}, **{**opening, "recipients": None}), ANA
    yield "disclosure-as-export", payload("disclosure", {"form": "export"}, **opening), ANA
    yield "disclosure-as-grant", payload("disclosure", {"form": "grant", "grant": H[1], "device": JOOST.signer.hex()}, **opening), ANA
    yield "disclosure-as-dossier", payload("disclosure", {"form": "dossier", "payload": H[2]}, **{**opening, "recipients": ["Tribunalul București", "nl-om/joost"]}), ANA
    yield "disclosure-as-transfer", payload("disclosure", {"form": "transfer", "means": "in-person"}, **opening), ANA
    yield "alteration", payload("alteration", {"handling": "H2", "review": "2032-02-29"}, **OF_EXHIBIT), ANA
    yield "alteration-of-the-review-alone", payload("alteration", {"review": "2032-02-29"}, **OF_EXHIBIT), ANA
    yield "combination", payload("combination", {"derivation": DERIVATION}, **OF_EXHIBIT), ANA
    yield "erasure-proposed", payload("erasure", {"step": "propose", "records": [5, 7]}, **{**OF_EXHIBIT, "purpose": "victim-protection"}), ANA
    yield "erasure-confirmed", payload("erasure", {"step": "confirm", "proposal": "0b" * 16, "digest": H[1]}, **{**OF_EXHIBIT, "purpose": "victim-protection"}), ANA
    for kind in ("hold.place", "hold.lift", "restriction.place", "restriction.lift"):
        yield kind, payload(kind, {}, **OF_EXHIBIT), ANA
    yield "consent.give", payload("consent.give", {"to": "onward"}, **{**OF_EXHIBIT, "recipients": ["nl-om/joost"]}), ANA
    yield "case.create", payload("case.create", CREATE, **{**OF_CASE, "group": None}), ANA
    yield "case.create-as-a-part", payload("case.create", {**without(CREATE, "review"), "parent": "0a" * 16, "review": "2031-06-01"}, **{**OF_CASE, "group": None}), ANA
    yield "member.change", payload("member.change", CHANGE, **OF_CASE), ANA
    first = {**OF_CASE, "group": {**GROUP, "epoch": 0, "transcript": ""}}
    yield "member.change-in-epoch-0", payload("member.change", {**CHANGE, "epoch": 0, "removes": []}, **first), ANA
    resync = {**without(CHANGE, "welcome", "ring_row"), "adds": [{"certificate": JOOST.signer.hex(), "terms": "resync"}], "removes": [JOOST.signer.hex()], "resync": True}
    yield "member.change-as-a-resync", payload("member.change", resync, **OF_CASE), JOOST
    yield "member.change-as-a-resync-without-the-ring", payload("member.change", resync, **{**OF_CASE, "sealed": FOR_AUDITORS}), JOOST
    yield "case.recovery-proposed", payload("case.recovery", {"step": "propose", "lost": H[5], "device": JOOST.signer.hex()}, **OF_CASE), ANA
    yield "case.recovery-confirmed", payload("case.recovery", {"step": "confirm", "proposal": "0b" * 16, "digest": H[1]}, **OF_CASE), ANA
    in_place = {**CHANGE, "adds": [{"certificate": JOOST.signer.hex(), "terms": "recovery"}]}
    yield "member.change-in-a-lost-devices-place", payload("member.change", in_place, **OF_CASE), ANA
    yield "member.leave", payload("member.leave", {}, **OF_CASE), ANA
    yield "group.report", payload("group.report", {"epoch": 3, "commit": H[1], "error": "the confirmation tag does not verify"}, **OF_CASE), ANA
    yield "group.succeed", payload("group.succeed", SUCCEED, **OF_CASE), ANA
    yield "group.succeed-of-one", payload("group.succeed", {**without(SUCCEED, "welcome"), "members": [ANA.signer.hex()]}, **OF_CASE), ANA
    yield "device.enrol", payload("device.enrol", {"certificate": b64(ANA.certificate)}, **OF_REGISTRY), DIICOT
    yield "device.revoke", payload("device.revoke", {"device": ANA.id.hex(), "reason": "lost"}, **OF_REGISTRY), DIICOT
    yield "trust.list", payload("trust.list", {"list": FIRST_LIST}, **{**OF_REGISTRY, "seen": world.EMPTY}), DIICOT
    yield "log.origin", payload("log.origin", {"previous": "custodia.example/old", "size": 9, "root": H[1]}, **OF_REGISTRY), DIICOT
    reading = {"purpose": "lawfulness-check", "seen": SEEN, "sealed": FOR_AUDITORS}
    yield "log.read-of-a-case", payload("log.read", {"from": 0, "to": 12}, **reading), LENA
    yield "log.read-of-all", payload("log.read", {"from": 0, "to": 12}, **{**reading, "case": "00" * 16}), LENA


def without(said, *names):
    return {name: value for name, value in said.items() if name not in names}


def deep(said, path, value):
    """A copy in which the member at a path is another; a path that ends in `-` takes the member away."""
    said = copy.deepcopy(said)
    at = said
    *way, last = path.split("/")
    for step in way:
        at = at[int(step) if step.isdigit() else step]
    if last.startswith("-"):
        del at[last[1:]]
    else:
        at[int(last) if last.isdigit() else last] = value
    return said


def changes():
    """Base, name, path, new value, answer."""
    shape, malformed = "Shape", "Malformed"
    yield "collection", "seen-a-chain-before-it-began", "chain_seen", CHAIN, shape
    yield "collection", "purpose-where-none-is-asked", "purpose", "trial", shape
    yield "collection", "no-exhibit", "-exhibit", None, shape
    yield "collection", "no-reason", "-sealed", None, shape
    yield "collection", "no-group", "-group", None, shape
    yield "collection", "handling-h4", "body/handling", "H4", malformed
    yield "collection", "review-on-no-day", "body/review", "2031-02-29", shape
    yield "collection", "review-in-another-form", "body/review", "1.6.2031", shape
    yield "collection", "ring-version-0", "body/ring_version", 0, shape
    yield "collection", "ring-version-of-five-bytes", "body/ring_version", 1 << 32, malformed
    yield "collection", "objects-negative", "body/objects", -1, malformed
    yield "collection", "objects-as-text", "body/objects", "3", malformed
    yield "collection", "digest-short", "body/objects_digest", H[3][2:], malformed
    yield "collection", "digest-in-capitals", "body/objects_digest", "AB" * 32, malformed
    yield "collection", "release-share-commitment-missing", "body/-release_share_commitment", None, malformed
    yield "collection-of-an-extract", "derivation-null", "body/derivation", None, malformed
    yield "collection-of-an-extract", "derivation-of-another-kind", "body/derivation/how", "summary", malformed
    yield "consultation", "no-purpose", "-purpose", None, shape
    yield "consultation", "purpose-of-reading-the-log", "purpose", "lawfulness-check", shape
    yield "consultation", "unknown-purpose", "purpose", "curiosity", malformed
    yield "consultation", "purpose-null", "purpose", None, shape
    yield "consultation", "no-chain-seen", "-chain_seen", None, shape
    yield "consultation", "with-recipients", "recipients", ["nl-om/joost"], shape
    yield "consultation", "recipients-empty", "recipients", [], malformed
    yield "consultation", "case-of-the-registry", "case", "00" * 16, shape
    yield "consultation", "exhibit-id-in-capitals", "exhibit", "E1" * 16, malformed
    yield "consultation", "exhibit-id-short", "exhibit", "e1" * 15, malformed
    yield "consultation", "mode-print", "body/mode", "print", malformed
    yield "consultation", "body-of-another-kind", "body", {}, malformed
    yield "consultation", "body-with-a-member-too-many", "body/copy", True, malformed
    yield "consultation", "unknown-kind", "kind", "opening", malformed
    yield "consultation", "version-2", "v", 2, malformed
    yield "consultation", "version-as-text", "v", "1", malformed
    yield "consultation", "an-unknown-member", "zz", 0, malformed
    yield "consultation", "no-origin", "-origin", None, malformed
    yield "consultation", "no-clock", "-clock", None, malformed
    yield "consultation", "unknown-clock", "clock", "gps", malformed
    yield "consultation", "time-without-offset", "time", "2026-06-01T12:00:00", malformed
    yield "consultation", "time-without-seconds", "time", "2026-06-01T12:00+02:00", malformed
    yield "consultation", "time-with-a-space", "time", "2026-06-01 12:00:00+02:00", malformed
    yield "consultation", "time-in-small-letters", "time", "2026-06-01t12:00:00z", malformed
    yield "consultation", "time-in-a-leap-second", "time", "2026-06-30T23:59:60Z", malformed
    yield "consultation", "time-on-no-day", "time", "2026-06-31T12:00:00Z", malformed
    yield "consultation", "time-at-hour-24", "time", "2026-06-01T24:00:00Z", malformed
    yield "consultation", "time-with-ten-digits-of-a-second", "time", "2026-06-01T12:00:00.1234567890Z", malformed
    yield "consultation", "time-in-the-year-0", "time", "0000-06-01T12:00:00Z", malformed
    yield "consultation", "time-longer-than-35-bytes", "time", "2026-06-01T12:00:00.000000000000000+02:00", malformed
    yield "consultation", "group-id-short", "group/id", CASE.hex(), shape
    yield "consultation", "transcript-of-another-hash", "group/transcript", "07" * 32, shape
    yield "consultation", "transcript-in-epoch-0", "group/epoch", 0, shape
    yield "consultation", "epoch-over-64-bits", "group/epoch", 1 << 64, malformed
    yield "consultation", "seen-size-negative", "seen/size", -1, malformed
    yield "consultation", "seen-as-an-array", "seen", [12, H[8]], malformed
    yield "consultation", "seen-without-root", "seen/-root", None, malformed
    yield "consultation", "chain-seen-as-an-array", "chain_seen", [4, H[9]], malformed
    yield "consultation", "reason-for-no-ring", "sealed/-ring", None, shape
    yield "consultation", "reason-of-a-length-that-none-has", "sealed/message", b64url(bytes(80)), shape
    yield "consultation", "reason-longer-than-any", "sealed/message", b64url(bytes(56 + 16640 + 32)), shape
    yield "consultation", "reason-with-stray-bits", "sealed/message", MESSAGE[:-1] + chr(ord(MESSAGE[-1]) + 1), malformed
    yield "consultation", "reason-with-padding", "sealed/message", MESSAGE + "=", malformed
    yield "consultation", "wrap-cut", "sealed/ring/wrap", b64url(bytes(103)), shape
    yield "consultation", "wrap-under-ring-version-0", "sealed/ring/version", 0, shape
    yield "consultation", "auditors-wrap-cut", "sealed/auditors/0/wrap", b64url(bytes(1167)), shape
    yield "consultation", "33-auditors", "sealed/auditors", SEALED["auditors"] * 33, shape
    yield "consultation", "no-auditors-member", "sealed/-auditors", None, malformed
    yield "disclosure-as-export", "no-recipient", "-recipients", None, shape
    yield "disclosure-as-export", "65-recipients", "recipients", ["nl-om/joost"] * 65, shape
    yield "disclosure-as-export", "recipient-of-no-bytes", "recipients", [""], shape
    yield "disclosure-as-export", "recipient-of-129-bytes", "recipients", ["é" * 64 + "x"], shape
    yield "disclosure-as-export", "unknown-form", "body/form", "print", malformed
    yield "disclosure-as-export", "grant-without-its-members", "body/form", "grant", malformed
    yield "disclosure-as-export", "export-with-a-payload", "body/payload", H[2], malformed
    yield "disclosure-as-grant", "device-missing", "body/-device", None, malformed
    yield "disclosure-as-transfer", "unknown-means", "body/means", "fax", malformed
    yield "disclosure-as-dossier", "payload-as-number", "body/payload", 2, malformed
    yield "alteration", "handling-null", "body/handling", None, malformed
    yield "combination", "derivation-missing", "body", {}, malformed
    yield "erasure-proposed", "records-missing", "body", {"step": "propose"}, malformed
    yield "erasure-proposed", "record-negative", "body/records", [-5], malformed
    yield "erasure-proposed", "unknown-step", "body/step", "do", malformed
    yield "erasure-proposed", "no-purpose", "-purpose", None, shape
    yield "erasure-confirmed", "digest-missing", "body", {"step": "confirm", "proposal": "0b" * 16}, malformed
    yield "erasure-confirmed", "proposal-too-short", "body/proposal", "0b" * 15, malformed
    yield "erasure-confirmed", "records-too", "body", {"step": "confirm", "proposal": "0b" * 16, "digest": H[1], "records": []}, malformed
    yield "hold.place", "no-exhibit", "-exhibit", None, shape
    yield "hold.lift", "body-as-an-array", "body", [], malformed
    yield "restriction.place", "body-with-a-member", "body/until", "2031-06-01", malformed
    yield "consent.give", "to-everything", "body/to", "everything", malformed
    yield "case.create", "acts-in-a-group-before-there-is-one", "group", GROUP, shape
    yield "case.create", "names-an-exhibit", "exhibit", EXHIBIT.hex(), shape
    yield "case.create", "group-id-of-16-bytes", "body/group_id", CASE.hex(), shape
    yield "case.create", "founder-on-unknown-terms", "body/members/0/terms", "owner", malformed
    yield "case.create", "parent-null", "body/parent", None, malformed
    yield "case.create", "no-review", "body/-review", None, malformed
    yield "member.change", "ring-version-0", "body/ring_version", 0, shape
    yield "member.change", "reason-for-no-ring", "sealed/-ring", None, shape
    yield "member.change", "no-group", "-group", None, shape
    yield "member.change", "resync-as-number", "body/resync", 0, malformed
    yield "member.change", "removes-missing", "body/-removes", None, malformed
    yield "case.recovery-proposed", "lost-missing", "body/-lost", None, malformed
    yield "case.recovery-proposed", "device-id-for-a-certificate-id", "body/device", "0b" * 16, malformed
    yield "case.recovery-proposed", "unknown-step", "body/step", "do", malformed
    yield "case.recovery-proposed", "no-group", "-group", None, shape
    yield "case.recovery-proposed", "no-reason", "-sealed", None, shape
    yield "case.recovery-confirmed", "digest-missing", "body/-digest", None, malformed
    yield "case.recovery-confirmed", "lost-too", "body", {"step": "confirm", "proposal": "0b" * 16, "digest": H[1], "lost": H[5]}, malformed
    yield "case.recovery-confirmed", "names-an-exhibit", "exhibit", EXHIBIT.hex(), shape
    yield "case.recovery-confirmed", "with-a-purpose", "purpose", "investigation", shape
    yield "member.leave", "no-reason", "-sealed", None, shape
    yield "group.report", "error-of-201-bytes", "body/error", "x" * 201, shape
    yield "group.report", "error-that-is-not-printable", "body/error", "a\nb", shape
    yield "group.report", "error-that-is-not-ascii", "body/error", "ă", shape
    yield "group.succeed", "generation-0", "body/generation", 0, shape
    yield "group.succeed", "generation-of-five-bytes", "body/generation", 1 << 32, malformed
    yield "group.succeed", "ring-version-0", "body/ring_version", 0, shape
    yield "group.succeed", "bad-missing", "body/-bad", None, malformed
    yield "group.succeed", "welcome-null", "body/welcome", None, malformed
    yield "group.succeed", "members-as-text", "body/members", ANA.signer.hex(), malformed
    yield "group.succeed", "no-group", "-group", None, shape
    yield "group.succeed", "names-an-exhibit", "exhibit", EXHIBIT.hex(), shape
    yield "device.enrol", "in-a-case", "case", CASE.hex(), shape
    yield "device.enrol", "with-a-reason", "sealed", SEALED, shape
    yield "device.enrol", "certificate-in-the-other-alphabet", "body/certificate", b64url(ANA.certificate), malformed
    yield "device.revoke", "unknown-reason", "body/reason", "whim", malformed
    yield "device.revoke", "certificate-id-for-a-device-id", "body/device", H[1], malformed
    yield "trust.list", "list-as-an-object", "body/list", {}, malformed
    yield "log.origin", "in-a-case", "case", CASE.hex(), shape
    yield "log.read-of-a-case", "reason-for-a-ring", "sealed", SEALED, shape
    yield "log.read-of-a-case", "purpose-of-opening-evidence", "purpose", "trial", shape
    yield "log.read-of-a-case", "to-missing", "body/-to", None, malformed
    yield "log.read-of-all", "acts-in-a-group", "group", GROUP, shape


def resort(said):
    order = "v origin id kind case exhibit purpose recipients time clock group seen chain_seen body sealed zz".split()
    return {name: said[name] for name in order if name in said}


def texts(base):
    """Changes of the payload's text that leave what it says: name, text."""
    text = compact(base)
    yield "white-space", text.replace(",", ", ", 1)
    yield "line-feed-at-the-end", text + "\n"
    yield "members-in-another-order", compact(dict(reversed(base.items())))
    yield "a-member-twice", text.replace('"v":1', '"v":1,"v":1', 1)
    yield "number-as-a-fraction", text.replace('"size":12', '"size":12.0', 1)
    yield "number-with-an-exponent", text.replace('"size":12', '"size":12e0', 1)
    yield "an-escape-that-is-not-needed", text.replace("custodia.example", "custodi\\u0061.example", 1)
    yield "a-slash-escaped", text.replace("custodia.example/log", "custodia.example\\/log", 1)
    yield "absent-member-null", text.replace('"purpose"', '"recipients":null,"purpose"', 1)
    yield "two-values", text + "{}"
    yield "no-object", "[" + text + "]"
    yield "nothing", ""


def intents():
    cases, bases = [], {}

    def case(name, expect, text, who):
        cases.append({"name": name, "expect": expect, "seed": who.key.seed.hex(), "key": who.key.public.hex(), "signer": who.signer.hex(), "intent": text})

    for name, said, who in good_intents():
        bases[name] = (said, who)
        case(name, "ok", sign(said, who), who)
    for base, name, path, value, answer in changes():
        said, who = bases[base]
        text = sign(resort(deep(said, path, value)), who)
        case(f"{base}: {name}", answer, text, who)
    said, who = bases["consultation"]
    for name, text in texts(said):
        case(f"consultation: {name}", "Malformed", jws.sign(custody.TYP, who.signer, text.encode(), who.key), who)
    good = sign(said, who)
    head, body, signature = good.split(".")

    def signed(header):
        text = b64url(header.encode()) + "." + body
        return text + "." + b64url(who.key.sign(text.encode()))

    header = jws.header(custody.TYP, who.signer).decode()
    for name, text in [
        ("signature-changed", f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"),
        ("signed-by-another-device", jws.sign(custody.TYP, who.signer, compact(said).encode(), JOOST.key)),
        ("signed-as-a-grant", jws.sign("custodia-grant+jws", who.signer, compact(said).encode(), who.key)),
        ("without-algorithm", signed(header.replace("EdDSA", "none"))),
        ("header-with-a-key-inside", signed(header[:-1] + ',"jwk":{}}')),
        ("header-without-the-certificate", signed(header.replace(',"x5t#S256"', ',"x5t"'))),
        ("header-in-another-order", signed('{"typ":"' + custody.TYP + '","alg":"EdDSA"' + header[header.index(',"x5t'):])),
        ("header-with-white-space", signed(header.replace(",", ", "))),
        ("header-as-an-array", signed(compact(["EdDSA", custody.TYP, b64url(who.signer)]))),
        ("certificate-id-of-31-bytes", signed(jws.header(custody.TYP, who.signer[:31]).decode())),
        ("two-pieces", f"{head}.{body}"), ("four-pieces", good + "."), ("padded", good + "=="), ("empty", ""),
        ("signature-of-63-bytes", f"{head}.{body}.{b64url(bytes(63))}"), ("a-space-before", " " + good),
    ]:
        case(f"consultation: {name}", "Jws", text, who)
    write("custody", "intents", "compact JWS of intents, with the key that must have signed them; `seed` is the secret key of it", cases)


def records():
    cases = []
    log_ = story()
    for name, record in zip(("trust-list", "enrolment", "case", "collection", "refused-consultation", "counted-refusals", "disclosure", "leave"), log_.records):
        parts, salts, commitments = record.parts(), record.salts, record.commitments()

        def place(at):
            return at and {"chain": at[0].hex(), "seq": at[1], "previous": at[2].hex()}

        cases.append({
            "name": name, "expect": "ok", "kind": "record", "index": record.index, "time": record.time, "rule": record.rule or None,
            "attempts": record.attempts, "intent": record.intent, "case": place(record.case), "exhibit": place(record.exhibit),
            "salts": {one: salts[one].hex() for one in parts}, "bytes": {one: parts[one].hex() for one in parts},
            "commitments": {one: commitments[one].hex() for one in parts}, "commitment": record.commitment.hex(),
            "entry": custody.entry(record.commitment).hex(), "leaf": log.leaf_hash(custody.entry(record.commitment)).hex(),
        })
    accepted, refused = log_.records[3].parts()["core"], log_.records[5].parts()["core"]

    def part(name, kind, data, expect="RecordError"):
        cases.append({"name": name, "expect": expect, "kind": kind, "bytes": data.hex()})

    def patched(data, at, new):
        return data[:at] + new + data[at + len(new):]

    part("core-cut-in-the-intent", "core", accepted[:-1])
    part("core-cut-in-the-time", "core", accepted[:12])
    part("core-with-a-byte-more", "core", accepted + b"x")
    part("core-of-no-bytes", "core", b"")
    part("core-of-version-2", "core", patched(accepted, 0, b"\x02"))
    part("core-with-a-time-past-the-year-9999", "core", patched(accepted, 9, b"\xff"))
    part("core-with-outcome-2", "core", patched(accepted, 17, b"\x02"))
    part("core-refused-by-no-rule", "core", patched(accepted, 17, b"\x01"))
    part("core-accepted-by-a-rule", "core", patched(refused, 17, b"\x00"))
    part("core-with-a-rule-in-small-letters", "core", refused.replace(b"ACC-03", b"acc-03"))
    part("core-with-a-rule-of-16-bytes", "core", refused[:18] + b"\x10ACC-030000000000" + refused[25:])
    part("core-that-stands-for-no-attempt", "core", patched(accepted, 19, bytes(4)))
    part("core-accepted-for-two-attempts", "core", patched(accepted, 19, b"\0\0\0\x02"))
    part("core-without-an-intent", "core", accepted[:23] + bytes(4))
    part("core-with-an-intent-that-is-not-text", "core", accepted[:23] + b"\0\0\0\x01\xff")
    part("core-with-an-index-that-no-log-reaches", "core", patched(accepted, 1, b"\0\x01" + bytes(6)))
    part("core-with-an-intent-of-4-gigabytes-to-come", "core", accepted[:23] + b"\xff\xff\xff\xff" + accepted[27:])
    place = log_.records[6].parts()["exhibit"]
    part("place-cut", "place", place[:-1])
    part("place-with-a-byte-more", "place", place + b"\0")
    part("place-of-version-2", "place", patched(place, 0, b"\x02"))
    part("place-of-no-bytes", "place", b"")
    part("place-later-without-the-record-before", "place", place[:25] + bytes(32))
    part("place-first-with-a-record-before", "place", patched(place, 17, bytes(8)))
    entry = custody.entry(log_.records[0].commitment)
    part("entry-of-version-2", "entry", b"\x02" + entry[1:])
    part("entry-cut", "entry", entry[:-1])
    part("entry-with-a-byte-more", "entry", entry + b"\0")
    part("entry-of-no-bytes", "entry", b"")

    record = log_.records[6]

    def view(name, expect, shown):
        cases.append({"name": name, "expect": expect, "kind": "view", "view": compact(shown), "commitment": record.commitment.hex()})

    whole = record.view(("core", "case", "exhibit"))
    for opened in ((), ("core",), ("core", "exhibit"), ("case",), ("core", "case", "exhibit")):
        view("view-with-" + ("-and-".join(opened) or "nothing") + "-open", "ok", record.view(opened))
    view("view-with-its-index-moved", "RecordError", {**whole, "index": record.index + 1})
    view("view-with-a-salt-of-31-bytes", "RecordError", deep(whole, "core/salt", record.salts["core"][:31].hex()))
    view("view-with-a-wrong-salt", "OtherCommitment", deep(whole, "core/salt", H[1]))
    view("view-with-the-salts-exchanged", "OtherCommitment", deep(deep(whole, "core/salt", record.salts["case"].hex()), "case/salt", record.salts["core"].hex()))
    view("view-with-the-exhibit-hidden", "OtherCommitment", deep(whole, "exhibit/bytes", ""))
    view("view-with-another-commitment", "OtherCommitment", deep(record.view(("core",)), "case/commitment", H[1]))
    view("view-with-places-exchanged", "OtherCommitment", {**whole, "case": whole["exhibit"], "exhibit": whole["case"]})
    view("view-with-a-part-both-open-and-closed", "Json", deep(whole, "core/commitment", H[1]))
    view("view-with-a-part-missing", "Json", without(whole, "exhibit"))
    view("view-with-an-unknown-member", "Json", {**whole, "note": 1})
    view("view-without-its-index", "Json", without(whole, "index"))
    view("view-with-a-negative-index", "Json", {**whole, "index": -1})
    view("view-with-bytes-in-the-other-alphabet", "Json", deep(whole, "core/bytes", whole["core"]["bytes"][:-4] + "-_=="))
    write("custody", "records", "records: their parts, commitments and leaves; parts that are refused; views and the commitment they must have", cases)


def story():
    """A log of eight records: one of each way in which a record can stand."""
    log_ = Log()
    log_.append(sign(payload("trust.list", {"list": FIRST_LIST}, case="00" * 16), DIICOT), bytes(16))
    log_.append(sign(payload("device.enrol", {"certificate": b64(ANA.certificate)}, case="00" * 16, seen=log_.seen()), DIICOT), bytes(16))
    log_.append(sign(payload("case.create", CREATE, sealed=SEALED, seen=log_.seen()), ANA), CASE)
    group = {"id": GROUP["id"], "epoch": 0, "transcript": ""}

    def act(kind, body, **members):
        return sign(payload(kind, body, group=group, sealed=SEALED, seen=log_.seen(), **members), ANA)

    exhibit = EXHIBIT.hex()
    log_.append(act("collection", {**COLLECTION, "ring_version": 1}, exhibit=exhibit), CASE, EXHIBIT)
    opening = {"exhibit": exhibit, "purpose": "investigation"}
    log_.append(act("consultation", {"mode": "view"}, chain_seen=log_.chain_seen(EXHIBIT), **opening), CASE, EXHIBIT, rule="ACC-04")
    log_.append(act("consultation", {"mode": "view"}, chain_seen=log_.chain_seen(EXHIBIT), id="0b" * 16, **opening), CASE, EXHIBIT, rule="ACC-03", attempts=17)
    log_.append(act("disclosure", {"form": "export"}, chain_seen=log_.chain_seen(EXHIBIT), recipients=["ro-diicot/ana.pop"], **opening), CASE, EXHIBIT)
    log_.append(act("member.leave", {}), CASE)
    return log_


def receipts():
    cases, log_ = [], story()
    record = log_.records[6]
    everything = ("core", "case", "exhibit")

    def case(name, expect, receipt, key=ANA.key.public):
        text = receipt if isinstance(receipt, str) else compact(receipt)
        cases.append({"name": name, "expect": expect, "log": world.LOG, "key": key.hex(), "receipt": text})

    good = log_.receipt(record, everything)
    case("whole", "ok", good)
    case("refusal-with-the-core-alone", "ok", log_.receipt(log_.records[4], ("core",)))
    case("first-record", "ok", log_.receipt(log_.records[0], everything), DIICOT.key.public)
    case("core-closed", "ok", log_.receipt(record, ("exhibit",)))
    case("with-white-space", "ok", __import__("json").dumps(good, indent=1))
    case("index-moved", "Misbehaviour", deep(good, "record/index", 5))
    moved = Log()
    moved.records = list(log_.records)
    case("wrong-salt", "Misbehaviour", deep(good, "record/core/salt", H[1]))
    case("wrong-commitment-of-a-closed-part", "Misbehaviour", deep(log_.receipt(record, ("core",)), "record/case/commitment", H[1]))
    case("another-index-with-the-core-closed", "Misbehaviour", deep(log_.receipt(record, ()), "record/index", 5))
    case("index-beyond-the-tree", "Misbehaviour", deep(log_.receipt(record, ()), "record/index", 8))
    case("proof-too-short", "Misbehaviour", {**good, "proof": good["proof"][:-1]})
    case("proof-too-long", "Misbehaviour", {**good, "proof": [*good["proof"], H[1]]})
    case("proof-of-another-record", "Misbehaviour", {**good, "proof": [one.hex() for one in log.path(5, log_.leaves())]})
    case("proof-of-49-hashes", "Misbehaviour", {**good, "proof": [H[1]] * 49})
    case("intent-of-other-origin", "REC-01", other_origin(log_, everything))
    other = Log()
    other.records = log_.records
    case("checkpoint-by-another-key", "Misbehaviour", {**good, "checkpoint": other.checkpoint(key=AUDIT)})
    case("checkpoint-of-another-log", "Misbehaviour", {**good, "checkpoint": other.checkpoint(key=AUDIT, origin="elsewhere.example/log")})
    case("checkpoint-changed", "Misbehaviour", {**good, "checkpoint": good["checkpoint"].replace("\n8\n", "\n9\n")})
    earlier = Log()
    earlier.records = log_.records[:6]
    case("checkpoint-of-a-smaller-tree", "Misbehaviour", {**good, "checkpoint": earlier.checkpoint()})
    case("intent-signed-by-another-device", "Intent", good, JOOST.key.public)
    case("intent-of-another-case-than-its-place", "Misbehaviour", misplaced(log_, case_=bytes([0xCB]) * 16))
    case("intent-of-another-exhibit-than-its-place", "Misbehaviour", misplaced(log_, exhibit=bytes([0xE2]) * 16))
    case("intent-of-an-exhibit-without-its-place", "Misbehaviour", misplaced(log_, exhibit=None))
    case("version-2", "Misbehaviour", {**good, "v": 2})
    case("an-unknown-member", "Json", {**good, "valid": True})
    case("no-checkpoint", "Json", without(good, "checkpoint"))
    case("proof-in-capitals", "Json", {**good, "proof": [one.upper() for one in good["proof"]]})
    case("two-values", "Json", compact(good) + "{}")
    write("custody", "receipts", "receipts, the log's key, and the key of the certificate that the intent's header names", cases)


AUDIT = world.AUDITOR_KEY


def other_origin(log_, opened):
    last = Log()
    last.records, last.heads = list(log_.records), dict(log_.heads)
    said = payload("member.leave", {}, origin="elsewhere.example/log", group={"id": GROUP["id"], "epoch": 0, "transcript": ""}, sealed=SEALED, id="0c" * 16)
    return last.receipt(last.append(sign(said, ANA), CASE), opened)


def misplaced(log_, case_=CASE, exhibit=EXHIBIT):
    last = Log()
    last.records, last.heads = list(log_.records), dict(log_.heads)
    return last.receipt(last.append(log_.records[6].intent, case_, exhibit), ("core", "case", "exhibit"))


def chains():
    cases = []

    def case(name, expect, which, chain, views):
        cases.append({"name": name, "expect": expect, "which": which, "chain": chain.hex(), "views": views})

    def run(change=None):
        """The exhibit's chain of the story, with one record made otherwise."""
        log_ = story()
        whole, log_.records, log_.heads = log_.records, [], {}
        for at, old in enumerate(whole):
            new = log_.append(old.intent, old.case[0], old.exhibit and old.exhibit[0], old.time, old.rule, old.attempts)
            if change and change(at, new):
                chain = b"e" + EXHIBIT if new.exhibit else b"c" + new.case[0]
                log_.heads[chain] = ((new.exhibit or new.case)[1] + 1, new.commitment)
        return log_

    of_exhibit = ("core", "exhibit")
    good = [record.view(of_exhibit) for record in run().records[3:7]]
    case("exhibit", "ok", "exhibit", EXHIBIT, good)
    case("exhibit-of-one-record", "ok", "exhibit", EXHIBIT, good[:1])
    case("registry", "ok", "case", bytes(16), [record.view(("core", "case")) for record in run().records[:2]])
    case("case", "ok", "case", CASE, [record.view(("core", "case")) for record in run().records[2:]])

    def at(which, **changed):
        def change(here, record):
            if here == which:
                for name, value in changed.items():
                    setattr(record, name, value(record) if callable(value) else value)
            return here == which

        return [record.view(of_exhibit) for record in run(change).records[3:7]]

    case("chain-gap", "NotNext", "exhibit", EXHIBIT, at(5, exhibit=lambda record: (EXHIBIT, 3, record.exhibit[2])))
    case("record-left-out", "NotNext", "exhibit", EXHIBIT, good[:1] + good[2:])
    case("first-record-left-out", "NotNext", "exhibit", EXHIBIT, good[1:])
    case("record-twice", "NotNext", "exhibit", EXHIBIT, [*good[:2], *good[1:]])
    case("number-twice", "NotNext", "exhibit", EXHIBIT, at(5, exhibit=lambda record: (EXHIBIT, 1, record.exhibit[2])))
    case("records-exchanged", "NotNext", "exhibit", EXHIBIT, [good[0], good[2], good[1], good[3]])
    case("names-another-record-before", "NotNext", "exhibit", EXHIBIT, at(5, exhibit=lambda record: (EXHIBIT, 2, D[1])))
    case("record-replaced", "NotNext", "exhibit", EXHIBIT, [good[0], at(4, rule="ACC-05")[1], *good[2:]])
    case("record-of-another-chain", "NotNext", "exhibit", EXHIBIT, at(5, exhibit=lambda record: (bytes([0xE2]) * 16, *record.exhibit[1:])))
    case("time-decreases", "Time", "exhibit", EXHIBIT, at(5, time=1_780_308_000_000))
    case("index-decreases", "Index", "exhibit", EXHIBIT, at(5, index=2))
    case("index-twice", "Index", "exhibit", EXHIBIT, at(5, index=4))
    case("place-closed", "NotNext", "exhibit", EXHIBIT, [*good[:2], run().records[5].view(("core",)), good[3]])
    write("custody", "chains", "record views in chain order, as a reader of the whole chain meets them", cases)


def derivations():
    cases = []
    for name, salt, exhibit in [("one", D[6], EXHIBIT), ("another-salt", D[7], EXHIBIT), ("another-exhibit", D[6], bytes(range(16)))]:
        other = custody.derivation_commitment(salt, exhibit)
        cases.append({"name": name, "expect": "ok", "salt": salt.hex(), "exhibit": exhibit.hex(), "other": other.hex()})
    first = cases[0]
    for name, changed in [
        ("salt-changed", {"salt": H[8]}), ("exhibit-changed", {"exhibit": CASE.hex()}), ("label-left-out", {"other": sha256(D[6], EXHIBIT).hex()}),
        ("salt-after-the-exhibit", {"other": sha256(b"custodia/derivation/v1", EXHIBIT, D[6]).hex()}),
        ("salt-left-out", {"other": sha256(b"custodia/derivation/v1", EXHIBIT).hex()}), ("label-of-version-2", {"other": sha256(b"custodia/derivation/v2", D[6], EXHIBIT).hex()}),
        ("salt-as-text", {"other": sha256(b"custodia/derivation/v1", H[6].encode(), EXHIBIT).hex()}), ("exhibit-as-text", {"other": sha256(b"custodia/derivation/v1", D[6], EXHIBIT.hex().encode()).hex()}),
        ("exhibit-before-the-label", {"other": sha256(EXHIBIT, b"custodia/derivation/v1", D[6]).hex()}),
    ]:
        cases.append({**first, "name": name, "expect": "Other", **changed})
    write("custody", "derivations", "the salted name of the other exhibit of a derivation", cases)


def run():
    intents()
    records()
    receipts()
    chains()
    derivations()


