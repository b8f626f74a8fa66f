"""docs/spec/grants.md."""

from . import hpke, jws
from .common import array, b64url, compact, digest, hex_id, integer, members, need, one_encoding, unb64url

TYP = "custodia-grant+jws"
MOST = 192 * 1024


def info(case, granter, recipient):
    return b"custodia/grant/v1" + case + granter + recipient


def payload(case, recipient, rings, exhibits, sealed):
    return compact({
        "v": 1, "case": case.hex(), "recipient": recipient.hex(), "rings": rings, "exhibits": [one.hex() for one in exhibits], "sealed": b64url(sealed),
    })


def open_grant(text, granter_key, case, recipient, seed):
    """The ring keys by version and the group shares by exhibit."""
    statement = jws.Compact(text, TYP, MOST)
    statement.verify(granter_key)
    said = members(one_encoding(statement.payload), "v case recipient rings exhibits sealed")
    need(said["v"] == 1 and type(said["v"]) is int, "not version 1")
    need(hex_id(said["case"]) == case and digest(said["recipient"]) == recipient, "for another case or device")
    rings = [integer(one, 4) for one in array(said["rings"])]
    exhibits = [hex_id(one) for one in array(said["exhibits"])]
    need(0 not in rings and len(set(rings)) == len(rings) and len(set(exhibits)) == len(exhibits), "a version 0, or a version or exhibit twice")
    need(len(rings) + len(exhibits) <= 2048, "more than 2048 keys")
    plain = hpke.open_base(seed, unb64url(said["sealed"]), info(case, statement.signer, recipient))
    need(len(plain) == 32 * (len(rings) + len(exhibits)), "another number of keys than it names")
    keys = [plain[at : at + 32] for at in range(0, len(plain), 32)]
    return dict(zip(rings, keys)), dict(zip(exhibits, keys[len(rings) :]))
