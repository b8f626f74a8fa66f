"""Judges tests/vectors/groups, grants and http."""

from . import grants, groups, http
from .common import check_signature, need, unb64, unhex
from .vectors import judge, load


def ids(case):
    found = groups.read_group_id(unhex(case["id"]))
    assert found == (unhex(case["case"]), case["generation"]) and groups.group_id(*found) == unhex(case["id"])


def context(case):
    read = groups.Context(unhex(case["bytes"]))
    made = (int(case["log_size"]), unhex(case["log_root"]), int(case["registry_sequence"]), unhex(case["registry_commitment"]), case["ring_version"], unhex(case["ring_commitment"]))
    assert (read.size, read.root, read.registry, read.commitment, read.version, read.ring) == made and groups.context(*made) == unhex(case["bytes"])


def ring(case):
    need(groups.ring_commitment(unhex(case["case"]), case["version"], unhex(case["key"])).hex() == case["commitment"], "another commitment")


def row(case):
    group = groups.group_id(unhex(case["case"]), case["generation"])
    opened = groups.open_ring_row(unhex(case["row"]), group, case["epoch"], case["version"], unhex(case["wrapping"]), unhex(case["commitment"]))
    assert opened.hex() == case["key"]


def grant(case):
    rings, exhibits = grants.open_grant(case["grant"], unhex(case["key"]), unhex(case["case"]), unhex(case["recipient"]), unhex(case["sealing_key"]))
    assert {str(version): key.hex() for version, key in rings.items()} == case["rings"]
    assert {one.hex(): key.hex() for one, key in exhibits.items()} == case["exhibits"]


def request(case):
    headers = [("Host", case["authority"]), ("Signature-Input", case["signature_input"]), ("Signature", case["signature"])]
    if case["content_digest"]:
        headers.append(("Content-Digest", case["content_digest"]))
    sent = {"method": case["method"], "target": case["target"], "headers": headers, "body": case["body"]}
    keyid = http.check(sent, case["authority"], unhex(case["key"]), case["created"] + 300)
    assert keyid == case["keyid"]
    said = http.parameters(case["method"], case["created"], case["nonce"], case["keyid"])
    base = http.base(case["method"], case["authority"], case["target"], case["content_digest"], said)
    assert base.decode() == case["base"]
    check_signature(unhex(case["key"]), unb64(case["signature"][6:-1]), base)


def run(report):
    for name, check in (("ids", ids), ("contexts", context), ("rings", ring), ("rows", row), ("keys", lambda case: groups.xwing_key(unhex(case["key"])))):
        judge(report, f"groups/{name}.json", load(f"groups/{name}.json")["cases"], check)
    judge(report, "grants/grants.json", load("grants/grants.json")["cases"], grant)
    judge(report, "http/requests.json", load("http/requests.json")["cases"], request)
