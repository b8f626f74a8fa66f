"""docs/spec/README.md, "Conventions": numbers, texts, strict JSON, times, strict Ed25519."""

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta, timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """What is read is not of its form, or breaks a rule; the text says which."""


def need(condition, why):
    if not condition:
        raise Refused(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u(width, number):
    need(isinstance(number, int) and 0 <= number < 1 << 8 * width, f"not a number of {width} bytes")
    return number.to_bytes(width, "big")


class Reader:
    """Bytes taken from the front; too few are refused, and so is what is left over."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width):
        return int.from_bytes(self.take(width), "big")

    def end(self):
        need(self.at == len(self.data), "trailing bytes")


# Texts.


def unhex(text, length=None):
    need(isinstance(text, str) and re.fullmatch("(?:[0-9a-f]{2})*", text), "not lower-case hexadecimal")
    need(length is None or len(text) == 2 * length, f"not {length} bytes")
    return bytes.fromhex(text)


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except Exception:
        raise Refused("not base64") from None
    need(b64(data) == text, "not the one base64 of its bytes")
    return data


def unb64url(text):
    need(isinstance(text, str) and re.fullmatch("[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64url(data) == text, "not the one base64url of its bytes")
    return data


def decimal(text, below=1 << 64):
    need(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < below, "not a decimal number")
    return int(text)


# Strict JSON.


def parse_json(data):
    """The one JSON value of some bytes: nothing twice, nothing after it, no fraction or exponent, no lone surrogate."""

    def once(pairs):
        need(len({key for key, _ in pairs}) == len(pairs), "a member twice")
        return dict(pairs)

    def whole(text):
        need(text != "-0", "-0 is not an integer")
        return int(text)

    def no_other(text):
        raise Refused(f"not a number that JSON here has: {text}")

    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=once, parse_int=whole, parse_float=no_other, parse_constant=no_other)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}") from None
    return value


def one_encoding(data):
    """The JSON value of bytes that are its one encoding; that members stand in order is for `members` to see."""
    value = parse_json(data)
    need(compact(value).encode() == data, "not the one encoding of what it says")
    return value


def members(value, names, ordered=True):
    """An object of exactly these members, in this order where the JSON has one encoding; `name?` may be absent."""
    need(isinstance(value, dict), "not an object")
    names = {name.rstrip("?"): not name.endswith("?") for name in names.split()}
    missing = [name for name, required in names.items() if required and name not in value]
    unknown = [name for name in value if name not in names]
    need(not missing and not unknown, f"missing {missing}, unknown {unknown}")
    need(not ordered or list(value) == [name for name in names if name in value], "members in another order")
    return value


def integer(value, width=8):
    need(type(value) is int and 0 <= value < 1 << 8 * width, f"not a number of {width} bytes")
    return value


def array(value, least=0, most=None):
    need(isinstance(value, list) and len(value) >= least and (most is None or len(value) <= most), "not an array of that length")
    return value


def text(value, most, least=1):
    need(isinstance(value, str) and least <= len(value.encode()) <= most, f"not a text of {least} to {most} bytes")
    return value


def one_of(value, words):
    need(isinstance(value, str) and value in words, f"not one of {sorted(words)}")
    return value


def hex_id(value):
    return unhex(value, 16)


def digest(value):
    return unhex(value, 32)


def compact(value):
    """JSON without white space, members in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Times.

TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def rfc3339(value):
    """Milliseconds since 1970 of a time of RFC 3339."""
    need(isinstance(value, str) and len(value) <= 35, "not a time")
    match = TIME.fullmatch(value)
    need(match and value.isascii(), "not a time of RFC 3339")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset = match[8]
    shift = 0
    if offset != "Z":
        need(int(offset[1:3]) <= 23 and int(offset[4:6]) <= 59, "not an offset")
        shift = (int(offset[1:3]) * 60 + int(offset[4:6])) * (1 if offset[0] == "+" else -1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc) - timedelta(minutes=shift)
    except (ValueError, OverflowError):
        raise Refused("no such time") from None
    millis = int((match[7] or ".0")[1:].ljust(3, "0")[:3])
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(seconds=1) * 1000 + millis


def date(value):
    need(isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) and value >= "1900", "not a date from 1900")
    try:
        return datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        raise Refused("no such date") from None


# Ed25519, strictly: canonical S, canonical A, neither A nor R of small order, equation without cofactor.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
def _order_eight():
    """The y of the points of order 8: their double has y = 0, so x² = −y²."""
    d = -121665 * pow(121666, P - 2, P) % P
    # −x² + y² = 1 + d·x²·y² with x² = −y²: 2·y² = 1 − d·y⁴.
    root = _sqrt(1 + d)
    found = set()
    for sign in (1, -1):
        square = (-1 + sign * root) * pow(d, P - 2, P) % P
        y = _sqrt(square)
        if y is not None:
            found |= {y, P - y}
    return found


def _sqrt(a):
    root = pow(a, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == a % P:
            return candidate
    return None


SMALL_Y = {0, 1, P - 1} | _order_eight()


def _small_or_not_canonical(point):
    y = int.from_bytes(point, "little") & (1 << 255) - 1
    return y >= P or y in SMALL_Y


def public_key(data):
    """A key that the strict rule can accept; that it is a point of the curve shows when a signature is checked."""
    need(len(data) == 32 and not _small_or_not_canonical(data), "not a key, or one of small order")
    return data


def check_signature(public, signature, message):
    need(len(signature) == 64, "not a signature of 64 bytes")
    need(not _small_or_not_canonical(public), "the key is of small order or not canonical")
    need(not _small_or_not_canonical(signature[:32]), "R is of small order or not canonical")
    need(int.from_bytes(signature[32:], "little") < ORDER, "S is not canonical")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("the signature does not verify") from None


class Key:
    """A signing key from a seed of 32 bytes."""

    def __init__(self, seed):
        self.seed = seed
        self.secret = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message):
        return self.secret.sign(message)
