"""Edwards25519 as RFC 8032 section 5.1 has it: enough to make signatures that a lax verifier would take."""

import hashlib

from .common import ORDER, P

D = -121665 * pow(121666, P - 2, P) % P
NEUTRAL = (0, 1)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    cross = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + cross, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - cross, P - 2, P) % P


def times(scalar, point):
    out = NEUTRAL
    while scalar:
        if scalar & 1:
            out = add(out, point)
        point, scalar = add(point, point), scalar >> 1
    return out


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return (P - x if x & 1 != sign else x) % P, y


BASE = decode(4 * pow(5, P - 2, P) % P, 0)


def small_order():
    """The eight points, the neutral one first."""
    from .common import SMALL_Y

    eighth = next(decode(y, 0) for y in sorted(SMALL_Y) if y not in (0, 1, P - 1))
    return [times(k, eighth) for k in range(8)]


def challenge(r, a, message):
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % ORDER
