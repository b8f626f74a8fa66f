"""Compact JWS of docs/spec/custody.md and identity.md: RFC 7515 with EdDSA of RFC 8037."""

from .common import b64url, check_signature, compact, members, need, one_encoding, unb64url


def header(typ, signer):
    return compact({"alg": "EdDSA", "typ": typ, "x5t#S256": b64url(signer)}).encode()


def sign(typ, signer, payload, key):
    """`signer` is the id of the signer's certificate, `payload` bytes."""
    signed = b64url(header(typ, signer)) + "." + b64url(payload)
    return signed + "." + b64url(key.sign(signed.encode()))


def read_header(data, typ):
    head = members(one_encoding(data), "alg typ x5t#S256")
    need(head["alg"] == "EdDSA" and head["typ"] == typ, "not signed for this use")
    signer = unb64url(head["x5t#S256"])
    need(len(signer) == 32, "not the id of a certificate")
    return signer


class Compact:
    """A statement, read and not yet verified."""

    def __init__(self, text, typ, most):
        need(isinstance(text, str) and text.isascii() and len(text) <= most, "not a JWS, or too long")
        pieces = text.split(".")
        need(len(pieces) == 3, "not three pieces")
        self.text = text
        self.signer = read_header(unb64url(pieces[0]), typ)
        self.payload = unb64url(pieces[1])
        self.signature = unb64url(pieces[2])
        need(len(self.signature) == 64, "not a signature of 64 bytes")
        self.signed = (pieces[0] + "." + pieces[1]).encode()

    def verify(self, public):
        check_signature(public, self.signature, self.signed)


