"""docs/spec/exhibit.md: messages, padding, segments, keys, wraps, sealed reasons, manifests, paths."""

import re
import unicodedata

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from .common import Refused, array, date, hex_id, integer, members, need, one_encoding, one_of, rfc3339, sha256, u, unhex
from .log import root

CHUNK, SEGMENT = 16384, 8388608


# Messages.


def _keys(key, salt, context):
    need(len(key) == 32, "not an input key of 32 bytes")
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    out = HKDFExpand(hashes.SHA512(), 76, info).derive(key)
    return AESGCM(out[:32]), int.from_bytes(out[32:44], "big"), out[44:]


def message_len(plain):
    return 56 + plain + 16 * (plain // CHUNK + 1)


def plain_len(message):
    rest = message - 56
    need(rest >= 16, "not the length of a message")
    chunks = (rest - 1) // (CHUNK + 16)
    plain = rest - 16 * (chunks + 1)
    need(plain >= 0 and message_len(plain) == message, "not the length of a message")
    return plain


def seal(key, salt, context, plain):
    aead, nonce, commitment = _keys(key, salt, context)
    out = [salt, commitment]
    for k in range(len(plain) // CHUNK + 1):
        out.append(aead.encrypt((nonce ^ k).to_bytes(12, "big"), plain[k * CHUNK : (k + 1) * CHUNK], None))
    return b"".join(out)


def open_message(key, context, message):
    plain_len(len(message))
    aead, nonce, commitment = _keys(key, message[:24], context)
    need(message[24:56] == commitment, "wrong key or context")
    out = []
    for k, at in enumerate(range(56, len(message), CHUNK + 16)):
        try:
            out.append(aead.decrypt((nonce ^ k).to_bytes(12, "big"), message[at : at + CHUNK + 16], None))
        except InvalidTag:
            raise Refused(f"chunk {k} is altered") from None
    return b"".join(out)


# Stream, padding, segments.


def padme(length):
    wide = max(length, 4096)
    e = wide.bit_length() - 1
    mask = (1 << e - e.bit_length()) - 1
    return wide + mask & ~mask


def plan(length):
    """Padded length, number of segments, length of the last segment and of its object."""
    need(0 <= length <= 1 << 44, "longer than a content stream")
    padded = padme(length)
    segments = -(-padded // SEGMENT)
    last = padded - (segments - 1) * SEGMENT
    return padded, segments, last, message_len(last)


def segment_context(exhibit, index, last):
    return b"custodia/segment/v1" + exhibit + u(8, index) + bytes([last])


def open_segment(key, exhibit, length, index, name, data):
    """The content of one segment, without padding."""
    padded, segments, last, _ = plan(length)
    size = last if index == segments - 1 else SEGMENT
    need(index < segments and len(data) == message_len(size), "not the length of that segment")
    need(blake3(data).digest() == name, "other bytes than named")
    plain = open_message(key, segment_context(exhibit, index, index == segments - 1), data)
    true = max(0, min(size, length - index * SEGMENT))
    need(not any(plain[true:]), "the padding is not zero")
    return plain[:true]


def object_list(names):
    return sha256(b"custodia/object-list/v1", u(8, len(names)), *names)


# Keys and commitments.


def exhibit_key(group_share, release_share, exhibit):
    return HKDF(hashes.SHA512(), 32, None, b"custodia/exhibit-key/v1" + exhibit).derive(group_share + release_share)


def exhibit_key_commitment(exhibit, key):
    return sha256(b"custodia/exhibit-key-commitment/v1", exhibit, key)


def release_share_commitment(exhibit, share):
    return sha256(b"custodia/release-share-commitment/v1", exhibit, share)


def manifest_commitment(salt, json):
    return sha256(b"custodia/manifest-commitment/v1", salt, json)


def wrap_context(use, case=None, version=None, exhibit=None, kek=None, intent=None):
    if use == "group_share":
        return b"custodia/group-share/v1" + case + u(4, version) + exhibit
    if use == "release_share":
        return b"custodia/release-share/v1" + exhibit + kek
    return b"custodia/reason-key/v1" + case + u(4, version) + intent


def unwrap(key, context, wrapped):
    need(len(wrapped) == 104, "not a wrap")
    return open_message(key, context, wrapped)


# Sealed reasons.


def reason_context(origin, intent):
    return b"custodia/reason/v1" + sha256(origin.encode()) + intent


def line(value, most):
    need(isinstance(value, str) and 1 <= len(value.encode()) <= most and not _blank(value), f"not a line of 1 to {most} bytes")
    need(not any(unicodedata.category(c) == "Cc" for c in value), "a control character")


def prose(value, most):
    need(isinstance(value, str) and 1 <= len(value.encode()) <= most and not _blank(value), f"not a text of 1 to {most} bytes")
    need(not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in value), "a control character")


def _blank(value):
    from .log import is_white

    return all(is_white(c) for c in value)


def sealed_reason(key, salt, origin, intent, json):
    plain = u(4, len(json)) + json
    return seal(key, salt, reason_context(origin, intent), plain + bytes(-len(plain) % 256))


def open_reason(key, origin, intent, sealed):
    length = plain_len(len(sealed))
    need(256 <= length <= 16384 and length % 256 == 0, "not the length of a sealed reason")
    plain = open_message(key, reason_context(origin, intent), sealed)
    n = int.from_bytes(plain[:4], "big")
    need(4 + n <= len(plain) and len(plain) - 4 - n <= 255 and not any(plain[4 + n :]), "the length or padding is wrong")
    said = members(one_encoding(plain[4 : 4 + n]), "reason reference? case_title? exhibit_title?")
    prose(said["reason"], 8192)
    for name in ("reference", "case_title", "exhibit_title"):
        if name in said:
            line(said[name], 512)
    return said


# Manifests.


def manifest_context(exhibit):
    return b"custodia/manifest/v1" + exhibit


def open_manifest(key, exhibit, name, data):
    """The JSON bytes of a sealed manifest."""
    need(len(data) <= message_len(padme(8 + (64 << 20))), "longer than any manifest")
    plain_len(len(data))
    need(blake3(data).digest() == name, "other bytes than named")
    plain = open_message(key, manifest_context(exhibit), data)
    need(len(plain) >= 8, "no length")
    n = int.from_bytes(plain[:8], "big")
    need(n <= 64 << 20 and len(plain) == padme(8 + n) and not any(plain[8 + n :]), "the length or padding is wrong")
    return plain[8 : 8 + n]


INTAKE = (
    "exhibit_number root_exhibit_number? title description? kind collected source acquisition seal_number? legal_basis handling handling_restriction? "
    "evaluation person_categories special_category child derived_from? review_date"
)
MANIFEST_KINDS = "document chat_export phone_image disk_image video audio recorded_interview bank_records other".split()
CATEGORIES = "suspect convicted victim witness other".split()


def some(value, names, kinds):
    """An object whose members are checked by `kinds`."""
    members(value, names)
    for name, one in value.items():
        if name in kinds:
            kinds[name](one)


def a_line(most):
    return lambda value: line(value, most)


def a_word(*words):
    return lambda value: one_of(value, words)


def flag(value):
    need(isinstance(value, bool), "not true or false")


def intake(value, exhibit):
    def device(value):
        some(value, "make model serial? clock_deviation_seconds?", {name: a_line(128) for name in ("make", "model", "serial")} | {"clock_deviation_seconds": signed})

    def signed(value):
        need(type(value) is int and -(1 << 63) <= value < 1 << 63, "not a signed number of 64 bits")

    def source(value):
        some(value, "person? device?", {"person": a_line(512), "device": device})
        need(value, "a source of nothing")

    def basis(value):
        some(value, "type identifier authority state valid_from valid_to?", {
            "type": a_word("jit", "eio", "epoc", "epoc_pr", "mla", "warrant", "other"), "identifier": a_line(128), "authority": a_line(512),
            "state": lambda state: need(isinstance(state, str) and re.fullmatch("[A-Z]{2}", state), "not a state"), "valid_from": date, "valid_to": date,
        })
        need("valid_to" not in value or value["valid_to"] >= value["valid_from"], "ends before it begins")

    def categories(value):
        need(isinstance(value, list) and all(isinstance(one, str) and one in CATEGORIES for one in value), "not categories")
        need(value == [one for one in CATEGORIES if one in value], "a category twice, or another order")

    def derived(value):
        some(value, "exhibit how", {"exhibit": hex_id, "how": a_word("copy", "extract", "redaction", "translation", "transcript")})
        need(value["exhibit"] != exhibit, "derived from itself")

    some(value, INTAKE, {
        "exhibit_number": a_line(64), "root_exhibit_number": a_line(64), "title": a_line(512), "description": lambda one: prose(one, 16384),
        "kind": a_word(*MANIFEST_KINDS),
        "collected": lambda one: some(one, "by at place", {"by": a_line(512), "at": rfc3339, "place": a_line(512)}),
        "source": source,
        "acquisition": lambda one: some(one, "method tool? tool_version? write_blocker?", {
            "method": a_line(512), "tool": a_line(128), "tool_version": a_line(64), "write_blocker": a_line(128)}),
        "seal_number": a_line(64), "legal_basis": basis, "handling": a_word("H0", "H1", "H2", "H3"), "handling_restriction": lambda one: prose(one, 4096),
        "evaluation": lambda one: some(one, "source information", {"source": a_word("A", "B", "C", "X"), "information": a_word("1", "2", "3", "4")}),
        "person_categories": categories, "special_category": flag, "child": flag, "derived_from": derived, "review_date": date,
    })
    need(("handling_restriction" in value) == (value["handling"] == "H3"), "a restriction goes with H3 and only with it")


def media_type(value):
    part = "[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
    need(isinstance(value, str) and re.fullmatch(f"{part}/{part}", value), "not a media type")


NOTHING = (sha256(b"").hex(), blake3(b"").hexdigest(), root([]).hex())


def tree(data):
    return root([sha256(b"\0", data[at : at + 1048576]) for at in range(0, len(data), 1048576)])


def manifest(json, exhibit, case):
    """Reads a manifest that a record of `exhibit` and `case` names."""
    need(len(json) <= 64 << 20, "longer than any manifest")
    said = members(one_encoding(json), "version exhibit case salt stream_len segment_size intake files")
    need(said["version"] == 1 and type(said["version"]) is int, "not version 1")
    need(hex_id(said["exhibit"]) == exhibit and hex_id(said["case"]) == case, "of another exhibit or case")
    unhex(said["salt"], 32)
    need(integer(said["segment_size"]) == SEGMENT, "another segment size")
    intake(said["intake"], said["exhibit"])
    end, paths = 0, set()
    for file in array(said["files"], 1, 200000):
        members(file, "path path_bytes? media_type size sha256 blake3 tree modified? offset")
        raw = raw_path(file)
        need(raw not in paths, "a path twice")
        paths.add(raw)
        media_type(file["media_type"])
        size = integer(file["size"])
        for name in ("sha256", "blake3", "tree"):
            unhex(file[name], 32)
        need((size == 0) <= ((file["sha256"], file["blake3"], file["tree"]) == NOTHING), "an empty file with digests of bytes")
        if "modified" in file:
            rfc3339(file["modified"])
        need(integer(file["offset"]) == end, "does not begin where the file before ends")
        end += size
    for raw in paths:
        pieces = raw.split(b"/")
        need(not any(b"/".join(pieces[:k]) in paths for k in range(1, len(pieces))), "a path inside a file")
    need(integer(said["stream_len"]) == end <= 1 << 44, "another length than the files'")
    return said


# Paths.

DECEPTIVE = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E),
    (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {name + str(digit) for name in ("COM", "LPT") for digit in range(10)}


def deceptive(c):
    from .log import is_white

    return unicodedata.category(c) == "Cc" or is_white(c) and c != " " or any(a <= ord(c) <= b for a, b in DECEPTIVE)


def check_path(raw):
    need(1 <= len(raw) <= 4096 and b"\0" not in raw, "not the length of a path, or NUL")
    for piece in raw.split(b"/"):
        need(piece not in (b"", b".", b"..") and len(piece) <= 1024, "a component that none may be")


def characters(raw):
    """Characters, and as numbers the bytes that are not UTF-8."""
    for c in raw.decode("utf-8", "surrogateescape"):
        yield ord(c) - 0xDC00 if 0xDC80 <= ord(c) <= 0xDCFF else c


def display(raw):
    out = ""
    for c in characters(raw):
        out += f"\\x{c:02x}" if isinstance(c, int) else "\\\\" if c == "\\" else f"\\u{{{ord(c):x}}}" if deceptive(c) else c
    return out


def raw_path(file):
    need(isinstance(file["path"], str), "not a path")
    if "path_bytes" not in file:
        raw = file["path"].encode()
        check_path(raw)
        return raw
    raw = unhex(file["path_bytes"])
    check_path(raw)
    try:
        raw.decode()
    except UnicodeDecodeError:
        need(file["path"] == display(raw), "another path than its bytes show")
        return raw
    raise Refused("bytes of a path that is UTF-8")


def export(raw):
    name = "/".join(export_component(piece) for piece in raw.split(b"/"))
    need(len(name.encode()) <= 4096, "a name of more than 4096 bytes")
    return name


def export_component(raw):
    units, listed = [], list(characters(raw))
    stem = raw.split(b".")[0].decode("latin-1").rstrip(" ").upper()
    for at, c in enumerate(listed):
        escape = isinstance(c, int) or deceptive(c) or c in '=%\\:;*?"<>|' or at == len(listed) - 1 and c in ". " or at == 0 and stem in RESERVED
        data = bytes([c]) if isinstance(c, int) else c.encode()
        units += [f"={byte:02X}" for byte in data] if escape else [c]
    if len("".join(units).encode()) <= 255:
        return "".join(units)
    end, kept = "=~" + sha256(raw).hex()[:32], ""
    for unit in units:
        if len((kept + unit).encode()) > 220:
            break
        kept += unit
    return kept + end
