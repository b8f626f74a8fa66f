"""docs/spec/groups.md, as far as bytes are Custodia's own: group id, commit context, ring commitment, ring row, form of an X-Wing key, blob."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .common import Reader, Refused, need, sha256, u


def group_id(case, generation):
    need(len(case) == 16 and case != bytes(16), "the registry has no group")
    return case + u(4, generation)


def read_group_id(data):
    read = Reader(data)
    case, generation = read.take(16), read.number(4)
    read.end()
    need(case != bytes(16), "the registry has no group")
    return case, generation


def context(size, root, registry, commitment, version, ring):
    return b"\x01" + u(8, size) + root + u(8, registry) + commitment + u(4, version) + ring


class Context:
    def __init__(self, data):
        read = Reader(data)
        need(read.number(1) == 1, "not version 1")
        self.size, self.root = read.number(8), read.take(32)
        self.registry, self.commitment = read.number(8), read.take(32)
        self.version, self.ring = read.number(4), read.take(32)
        read.end()
        need(self.version != 0, "ring versions begin with 1")


def ring_commitment(case, version, key):
    return sha256(b"custodia/ring/v1", case, u(4, version), key)


def ring_row(group, epoch, version, nonce, wrapping, key):
    head = b"\x01" + group + u(8, epoch) + u(4, version)
    return head + nonce + AESGCM(wrapping).encrypt(nonce, key, head)


def open_ring_row(row, group, epoch, version, wrapping, commitment):
    need(len(row) == 93 and row[0] == 1, "not a ring row of version 1")
    need(row[1:33] == group + u(8, epoch) + u(4, version), "a row for another group, epoch or version")
    try:
        key = AESGCM(wrapping).decrypt(row[33:45], row[45:], row[:33])
    except InvalidTag:
        raise Refused("does not open") from None
    need(ring_commitment(group[:16], version, key) == commitment, "opens to another key than the context commits to")
    return key


def xwing_key(data):
    """GRP-11."""
    need(len(data) == 1216, "not 1216 bytes")
    for at in range(0, 1152, 3):
        a, b, c = data[at : at + 3]
        need(a | (b & 15) << 8 < 3329 and b >> 4 | c << 4 < 3329, "a number of 12 bits that is not below 3329")
    need(data[1184:] != bytes(32), "the X25519 key is all zero")
