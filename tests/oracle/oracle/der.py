"""DER, as far as docs/spec/identity.md needs it: reading refuses what is not DER, writing makes it."""

import re

from .common import need

INTEGER, BITS, OCTETS, NULL, OID, UTF8, SEQUENCE, SET, PRINTABLE, UTC, GENERALIZED = 2, 3, 4, 5, 6, 12, 0x30, 0x31, 19, 23, 24


def one(data, tag=None):
    """The first element: its tag, its content, and what follows."""
    need(len(data) >= 2, "DER cut short")
    found, length, at = data[0], data[1], 2
    need(found & 0x1F != 0x1F, "a tag of several bytes")
    if length >= 0x80:
        count = length & 0x7F
        need(1 <= count <= 4 and len(data) >= 2 + count, "not a length of DER")
        length, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
        need(length >= 0x80 and data[2] != 0, "a length that is not the shortest")
    need(at + length <= len(data), "DER cut short")
    need(tag is None or found == tag, f"tag {found} where {tag} belongs")
    return found, data[at : at + length], data[at + length :]


def whole(data, tag):
    _, content, rest = one(data, tag)
    need(not rest, "bytes after the end")
    return content


def each(content, tag=None):
    found = []
    while content:
        kind, inner, rest = one(content, tag)
        found.append((kind, inner, content[: len(content) - len(rest)]))
        content = rest
    return found


def oid(content):
    need(content and content[-1] < 0x80, "not an OID")
    numbers, value, fresh = [], 0, True
    for byte in content:
        need(not (fresh and byte == 0x80), "an OID that is not the shortest")
        value, fresh = value << 7 | byte & 0x7F, byte < 0x80
        if fresh:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def integer(content):
    need(content and (len(content) == 1 or not (content[0] == 0 and content[1] < 0x80 or content[0] == 0xFF and content[1] >= 0x80)), "not an INTEGER")
    return content


def text(kind, content):
    need(kind in (UTF8, PRINTABLE), "neither UTF8String nor PrintableString")
    try:
        value = content.decode("utf-8" if kind == UTF8 else "ascii")
    except UnicodeDecodeError:
        need(False, "not text")
    need(kind == UTF8 or re.fullmatch("[A-Za-z0-9 '()+,./:=?-]*", value), "not a PrintableString")
    return value


def put(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def put_oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = b""
    for number in [first * 40 + second, *rest]:
        piece = bytes([number & 0x7F])
        while number := number >> 7:
            piece = bytes([number & 0x7F | 0x80]) + piece
        out += piece
    return put(OID, out)
