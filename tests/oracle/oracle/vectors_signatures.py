"""Judges tests/vectors/signatures, and the vectors of Wycheproof and CCTV for Ed25519."""

from .common import check_signature, unhex
from .vectors import judge, load


def run(report):
    judge(report, "signatures/ed25519.json", load("signatures/ed25519.json")["cases"],
          lambda case: check_signature(unhex(case["key"]), unhex(case["signature"]), unhex(case["message"])))
    name, cases = "foreign/ed25519/ed25519_test.json", []
    for group in load(name)["testGroups"]:
        for test in group["tests"]:
            expect = "ok" if test["result"] == "valid" else "invalid"
            cases.append({"name": str(test["tcId"]), "expect": expect, "key": group["publicKey"]["pk"], "sig": test["sig"], "msg": test["msg"]})
    judge(report, name, cases, lambda case: check_signature(unhex(case["key"]), unhex(case["sig"]), unhex(case["msg"])))
    name, cases = "foreign/cctv/ed25519vectors.json", []
    for test in load(name):
        strict = all(flag.startswith("low_order_component") for flag in test["flags"] or [])
        cases.append({**test, "name": str(test["number"]), "expect": "ok" if strict else "refused"})
    judge(report, name, cases, lambda case: check_signature(unhex(case["key"]), unhex(case["sig"]), case["msg"].encode()))
