"""What a record view holds (docs/spec/custody.md)."""

import base64
import hashlib
import json


def entry(view):
    """The entry of a record, recomputed from its view (docs/spec/custody.md)."""
    parts = []
    for name in ("core", "case", "exhibit"):
        part = view[name]
        if "commitment" in part:
            parts.append(bytes.fromhex(part["commitment"]))
        else:
            parts.append(hashlib.sha256(b"custodia/part/" + name.encode() + bytes.fromhex(part["salt"]) + base64.b64decode(part["bytes"])).digest())
    return b"\x01" + hashlib.sha256(b"custodia/leaf/v1" + b"".join(parts)).digest()


def intent(view):
    """The intent of a record whose core is open: a compact JWS."""
    core = base64.b64decode(view["core"]["bytes"])
    rule = core[18]
    return core[19 + rule + 8 :].decode()


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signer(text):
    """The id of the certificate that a JWS names."""
    return b64url(json.loads(b64url(text.split(".")[0]))["x5t#S256"]).hex()


def payload(text):
    return json.loads(b64url(text.split(".")[1]))
