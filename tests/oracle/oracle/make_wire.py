"""Makes tests/vectors/groups, grants and http."""

import json

from . import grants, groups, hpke, http, jws
from .common import b64, b64url, compact, u
from .vectors import FOLDER, keep, write
from .world import ANA, CASE, EXHIBIT, JOOST, LENA

D = [bytes([number]) * 32 for number in range(16)]
GROUP = groups.group_id(CASE, 0)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# Groups.


def ids():
    cases = []
    for case, generation in ((CASE, 0), (CASE, 1), (bytes(15) + b"\x01", (1 << 32) - 1)):
        cases.append({"name": f"generation-{generation}", "expect": "ok", "case": case.hex(), "generation": generation, "id": groups.group_id(case, generation).hex()})
    for name, data in [
        ("of-the-registry", bytes(20)), ("of-the-registry-later", bytes(16) + u(4, 1)), ("of-19-bytes", GROUP[:-1]), ("of-21-bytes", GROUP + b"\0"),
        ("of-the-case-alone", CASE), ("of-no-bytes", b""), ("as-text", GROUP.hex().encode()), ("generation-of-8-bytes", CASE + u(8, 0)),
        ("generation-first", u(4, 0) + CASE + b"\0"),
    ]:
        cases.append({"name": name, "expect": "GroupId", "id": data.hex()})
    write("groups", "ids", "group ids", cases)


def contexts():
    cases = []

    def good(name, *values):
        names = ("log_size", "log_root", "registry_sequence", "registry_commitment", "ring_version", "ring_commitment")
        said = {one: value.hex() if isinstance(value, bytes) else str(value) if one != "ring_version" else value for one, value in zip(names, values)}
        cases.append({"name": name, "expect": "ok", **said, "bytes": groups.context(*values).hex()})

    good("of-the-page", 7, D[1], 5, D[2], 1, D[3])
    good("before-any-identity-record", 0, D[1], 0, bytes(32), 1, D[3])
    good("of-the-largest-numbers", (1 << 64) - 1, D[1], (1 << 64) - 1, D[2], (1 << 32) - 1, D[3])
    whole = groups.context(7, D[1], 5, D[2], 1, D[3])
    for name, data, answer in [
        ("cut", whole[:-1], "Length"), ("with-a-byte-more", whole + b"\0", "Length"), ("of-no-bytes", b"", "Length"), ("twice", whole * 2, "Length"),
        ("of-version-0", b"\0" + whole[1:], "Version"), ("of-version-2", b"\x02" + whole[1:], "Version"), ("of-ring-version-0", whole[:81] + bytes(4) + whole[85:], "RingVersion"),
        ("without-the-version", whole[1:], "Length"), ("ring-version-little-end-first-and-cut", whole[:81] + b"\x01\0\0\0" + whole[85:116], "Length"),
    ]:
        cases.append({"name": name, "expect": answer, "bytes": data.hex()})
    write("groups", "contexts", "the authenticated_data of commits; numbers of 64 bits as text", cases)


def rings():
    cases = []
    for name, case, version, key in (("of-the-page", b"\x11" * 16, 1, b"\x22" * 32), ("later", CASE, 7, D[3]), ("largest", CASE, (1 << 32) - 1, D[4])):
        cases.append({"name": name, "expect": "ok", "case": case.hex(), "version": version, "key": key.hex(), "commitment": groups.ring_commitment(case, version, key).hex()})
    base = cases[1]
    for name, change in [
        ("of-another-case", {"case": EXHIBIT.hex()}), ("of-another-version", {"version": 8}), ("of-another-key", {"key": D[5].hex()}),
        ("commitment-changed-in-front", {"commitment": flip(bytes.fromhex(base["commitment"]), 0).hex()}), ("commitment-changed-at-the-end", {"commitment": flip(bytes.fromhex(base["commitment"]), 31).hex()}),
        ("under-the-former-label", {"commitment": groups.sha256(b"custodia/ring-commitment/v1", CASE, u(4, 7), D[3]).hex()}),
        ("version-of-8-bytes", {"commitment": groups.sha256(b"custodia/ring/v1", CASE, u(8, 7), D[3]).hex()}), ("key-before-version", {"commitment": groups.sha256(b"custodia/ring/v1", CASE, D[3], u(4, 7)).hex()}),
        ("without-label", {"commitment": groups.sha256(CASE, u(4, 7), D[3]).hex()}),
    ]:
        cases.append({**base, "name": name, "expect": "Other", **change})
    write("groups", "rings", "commitments to ring keys", cases)


def rows():
    cases, wrap, key = [], D[9], D[3]
    place = {"case": CASE.hex(), "generation": 0, "epoch": 4, "version": 2}
    row = groups.ring_row(GROUP, 4, 2, D[7][:12], wrap, key)

    def case(name, expect, data=row, commitment=groups.ring_commitment(CASE, 2, key), **change):
        cases.append({"name": name, "expect": expect, **place, "wrapping": wrap.hex(), "commitment": commitment.hex(), "key": key.hex(), "row": data.hex(), **change})

    case("opens", "ok")
    later = groups.group_id(CASE, 3)
    case("of-a-successor-group", "ok", groups.ring_row(later, 4, 2, D[7][:12], wrap, key), generation=3)
    case("cut", "Malformed", row[:-1])
    case("with-a-byte-more", "Malformed", row + b"\0")
    case("of-version-2", "Malformed", b"\x02" + row[1:])
    for name, change in (("of-another-case", {"case": EXHIBIT.hex()}), ("of-another-generation", {"generation": 1}), ("of-another-epoch", {"epoch": 5}), ("of-another-ring-version", {"version": 3})):
        case(name, "RingRow", commitment=groups.ring_commitment(bytes.fromhex(change.get("case", CASE.hex())), change.get("version", 2), key), **change)
    case("head-changed-to-fit", "RingRow", row[:1] + groups.group_id(CASE, 1) + row[21:], generation=1)
    case("under-another-key", "RingRow", wrapping=D[8].hex())
    case("nonce-changed", "RingRow", flip(row, 33))
    case("ciphertext-changed", "RingRow", flip(row, 45))
    case("tag-changed", "RingRow", flip(row, 92))
    case("of-another-key-than-the-context-names", "RingRow", commitment=groups.ring_commitment(CASE, 2, D[4]))
    case("without-associated-data", "RingRow", row[:45] + groups.AESGCM(wrap).encrypt(row[33:45], key, None))
    write("groups", "rows", "ring rows under a wrapping key from the exporter, for the group, epoch and context of a commit", cases)


def keys():
    cases = []

    def case(name, expect, data):
        cases.append({"name": name, "expect": expect, "key": data.hex()})

    real = hpke.public_key(ANA.sealing)
    case("real", "ok", real)
    largest = bytes([0x00, 0x0D, 0xD0]) * 384 + bytes([7]) * 64
    case("of-the-largest-numbers", "ok", largest)
    case("number-of-3329-in-front", "Key", b"\x01\x0d" + largest[2:])
    case("number-of-3329-at-the-end", "Key", largest[:1150] + b"\x1d\xd0" + largest[1152:])
    case("number-of-4095", "Key", largest[:600] + b"\xff\xff\xff" + largest[603:])
    case("x25519-all-zero", "Key", real[:1184] + bytes(32))
    case("of-1215-bytes", "Key", real[:-1])
    case("of-1217-bytes", "Key", real + b"\0")
    case("of-no-bytes", "Key", b"")
    case("halves-exchanged", "Key", b"\xff" * 32 + real[:1184])
    write("groups", "keys", "X-Wing public keys: well-formed or not", cases)


# Grants.


def sealed_once(name, plain, info, recipient):
    """HPKE draws at random: what was sealed once is kept, as long as it opens."""
    kept = SEALED.get(name)
    try:
        if kept and hpke.open_base(recipient.sealing, bytes.fromhex(kept), info) == plain:
            return bytes.fromhex(kept)
    except Exception:
        pass
    SEALED[name] = hpke.seal_base(hpke.public_key(recipient.sealing), plain, info).hex()
    return bytes.fromhex(SEALED[name])


SEALED = json.loads((FOLDER / "grants/sealed.json").read_text()) if (FOLDER / "grants/sealed.json").exists() else {}


def grant():
    cases = []
    rings, exhibits = {1: D[1], 2: D[2]}, {EXHIBIT: D[3]}
    plain = b"".join([*rings.values(), *exhibits.values()])
    info = grants.info(CASE, ANA.signer, JOOST.signer)

    def signed(payload, signer=ANA.signer, key=ANA.key, typ=grants.TYP):
        return jws.sign(typ, signer, payload if isinstance(payload, bytes) else payload.encode(), key)

    def case(name, expect, text, rings=rings, exhibits=exhibits):
        cases.append({
            "name": name, "expect": expect, "case": CASE.hex(), "recipient": JOOST.signer.hex(), "sealing_key": JOOST.sealing.hex(), "key": ANA.key.public.hex(),
            "rings": {str(version): key.hex() for version, key in rings.items()}, "exhibits": {one.hex(): key.hex() for one, key in exhibits.items()}, "grant": text,
        })

    sealed = sealed_once("whole", plain, info, JOOST)
    whole = grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], sealed)
    case("full-history", "ok", signed(whole))
    chosen = sealed_once("chosen", D[3], info, JOOST)
    case("chosen-exhibits", "ok", signed(grants.payload(CASE, JOOST.signer, [], [EXHIBIT], chosen)), {})
    nothing = sealed_once("nothing", b"", info, JOOST)
    case("of-nothing", "ok", signed(grants.payload(CASE, JOOST.signer, [], [], nothing)), {}, {})
    case("signed-by-another-device", "Jws", signed(whole, key=LENA.key))
    case("signed-as-an-intent", "Jws", signed(whole, typ="custodia-intent+jws"))
    case("signature-changed", "Jws", signed(whole)[:-3] + ("AAA" if signed(whole)[-3:] != "AAA" else "BAA"))
    case("for-another-case", "NotForUs", signed(grants.payload(EXHIBIT, JOOST.signer, [1, 2], [EXHIBIT], sealed)))
    case("for-another-device", "NotForUs", signed(grants.payload(CASE, LENA.signer, [1, 2], [EXHIBIT], sealed)))
    case("version-2", "NotForUs", signed(whole.replace('"v":1', '"v":2')))
    case("an-unknown-member", "Payload", signed(whole.replace('"v":1', '"v":1,"note":0')))
    case("a-member-missing", "Payload", signed(whole.replace('"rings":[1,2],', "")))
    case("members-in-another-order", "Payload", signed(whole.replace('"rings":[1,2],"exhibits":["' + EXHIBIT.hex() + '"]', '"exhibits":["' + EXHIBIT.hex() + '"],"rings":[1,2]')))
    case("white-space", "Payload", signed(whole.replace(",", ", ")))
    case("as-an-array", "Payload", signed(compact(list(json.loads(whole).values()))))
    case("ring-version-negative", "Payload", signed(whole.replace("[1,2]", "[1,-2]")))
    case("ring-version-0", "Payload", signed(whole.replace("[1,2]", "[0,2]")))
    case("a-ring-version-twice", "Payload", signed(whole.replace("[1,2]", "[2,2]")))
    case("an-exhibit-twice", "Payload", signed(grants.payload(CASE, JOOST.signer, [1], [EXHIBIT] * 2, sealed)))
    case("fewer-keys-than-named", "Count", signed(grants.payload(CASE, JOOST.signer, [1, 2, 3], [EXHIBIT], sealed)))
    case("more-keys-than-named", "Count", signed(grants.payload(CASE, JOOST.signer, [1], [EXHIBIT], sealed)))
    odd = sealed_once("odd", plain[:-1], info, JOOST)
    case("a-key-cut", "Count", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], odd)))
    case("sealed-by-another-granter", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], sealed_once("granter", plain, grants.info(CASE, LENA.signer, JOOST.signer), JOOST))))
    case("sealed-for-another-case", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], sealed_once("case", plain, grants.info(EXHIBIT, ANA.signer, JOOST.signer), JOOST))))
    case("sealed-without-label", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], sealed_once("label", plain, CASE + ANA.signer + JOOST.signer, JOOST))))
    case("sealed-bytes-changed", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], flip(sealed, 1120))))
    case("enc-changed", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], flip(sealed, 40))))
    case("sealed-cut", "Sealed", signed(grants.payload(CASE, JOOST.signer, [1, 2], [EXHIBIT], sealed[:1135])))
    case("another-granter-in-the-header", "Sealed", signed(whole, signer=LENA.signer))
    write("grants", "grants", "grants, the key of the device that signed, the recipient's certificate id and sealing key, and what they carry", cases)
    keep("grants/sealed.json", (json.dumps(SEALED, indent=1) + "\n").encode())


# Requests.


def requests():
    cases, authority, body = [], "custody.example:8443", b'{"intent":"a.b.c"}'
    keyid, nonce, created = ANA.signer.hex(), "0123456789abcdef0123456789abcdef", 1795467845

    def case(name, expect, method, target, digest, said=None, key=ANA.key, signature=None, input_=None, sent=None, base=None, content=body):
        said = said or http.parameters(method, created, nonce, keyid)
        signed = base or http.base(method, authority, target, digest, said)
        signature = signature or f"sig1=:{b64(key.sign(signed))}:"
        request = {"method": method, "authority": authority, "target": target, "content_digest": digest, **(sent or {})}
        cases.append({
            "name": name, "expect": expect, "seed": ANA.key.seed.hex(), "key": ANA.key.public.hex(), "keyid": keyid, "nonce": nonce, "created": created, **request,
            "body": content.hex(), "base": signed.decode(), "signature_input": input_ or f"sig1={said}", "signature": signature,
        })

    digest = http.content_digest(body)
    post = ("POST", "/v1/cases", digest)
    case("post", "ok", *post)
    case("get", "ok", "GET", "/v1/cases/" + CASE.hex(), None, content=b"")
    case("get-with-a-query", "ok", "GET", "/v1/log/consistency?from=3&to=7", None, content=b"")
    case("put", "ok", "PUT", "/v1/cases/x/exhibits/y/objects/" + "0a" * 32, None, content=b"sealed")
    case("post-with-an-empty-body", "ok", "POST", "/v1/cases", http.content_digest(b""), content=b"")
    good = http.parameters("POST", created, nonce, keyid)
    for name, sent in [
        ("another-method", {"method": "PUT"}), ("another-authority", {"authority": "custody.example"}), ("another-path", {"target": "/v1/cases/"}),
        ("a-query-added", {"target": "/v1/cases?x=1"}), ("path-encoded-otherwise", {"target": "/v1/%63ases"}), ("another-digest", {"content_digest": http.content_digest(b"x")}),
    ]:
        case(name, "Malformed" if name == "another-method" else "BadSignature", *post, sent=sent, content=b"x" if name == "another-digest" else body)
    case("another-body", "Digest", *post, content=b'{"intent":"a.b.d"}')
    case("by-another-device", "BadSignature", *post, key=JOOST.key)
    for name, change in [
        ("created-changed", good.replace(str(created), str(created + 1))), ("nonce-changed", good.replace("0123", "1123", 1)), ("keyid-changed", good.replace(keyid, JOOST.signer.hex())),
    ]:
        case(name, "BadSignature", *post, input_="sig1=" + change)
    for name, change in [
        ("created-with-a-plus", good.replace("created=", "created=+")), ("created-with-a-leading-zero", good.replace("created=", "created=0")), ("created-left-out", good.replace(f";created={created}", "")),
        ("nonce-in-capitals", good.replace("abcdef", "ABCDEF")), ("nonce-short", good.replace(nonce, nonce[2:])), ("keyid-in-base64url", good.replace(keyid, b64url(ANA.signer))),
        ("another-algorithm", good.replace("ed25519", "rsa-v1_5-sha256")), ("algorithm-left-out", good.replace(';alg="ed25519"', "")), ("another-tag", good.replace("custodia/1", "custodia/2")),
        ("a-parameter-more", good + ";expires=1795467900"), ("parameters-in-another-order", good.replace(f";created={created}", "") + f";created={created}"),
        ("a-component-left-out", good.replace('"@query" ', "")), ("a-component-more", good.replace('"@path"', '"@path" "date"')), ("components-in-another-order", good.replace('"@method" "@authority"', '"@authority" "@method"')),
        ("digest-not-covered", good.replace(' "content-digest"', "")), ("a-space-after-a-semicolon", good.replace(";nonce", "; nonce")),
    ]:
        case(name, "Malformed", *post, said=change)
    case("another-label", "Malformed", *post, input_="sig2=" + good)
    case("two-labels", "Malformed", *post, input_=f"sig1={good}, sig2={good}")
    case("digest-covered-in-a-get", "Malformed", "GET", "/v1/cases", None, said=good, base=http.base("POST", authority, "/v1/cases", digest, good))
    for name, text in [
        ("signature-without-colons", "sig1=" + b64(bytes(64))), ("signature-of-63-bytes", f"sig1=:{b64(bytes(63))}:"), ("signature-in-base64url", f"sig1=:{b64url(ANA.key.sign(b'x'))}:"),
        ("signature-under-another-label", f"sig2=:{b64(bytes(64))}:"),
    ]:
        case(name, "Malformed", *post, signature=text)
    case("base-with-a-line-feed-at-the-end", "BadSignature", *post, base=http.base(*post[:1], authority, *post[1:], good) + b"\n")
    case("query-without-question-mark", "BadSignature", *post, base=http.base("POST", authority, "/v1/cases", digest, good).replace(b'"@query": ?', b'"@query": '))
    write("http", "requests", "signed requests, with the signature base that was signed; `seed` is the secret key of `key`", cases)


def run():
    ids()
    contexts()
    rings()
    rows()
    keys()
    grant()
    requests()


