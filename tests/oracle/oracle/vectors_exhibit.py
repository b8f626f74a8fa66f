"""Judges tests/vectors/exhibit and the Cobblestone vectors of Wycheproof."""

import hashlib
import zlib

from . import exhibit
from .common import unhex
from .vectors import judge, load


def stream(length):
    return bytes((i ^ i // 256 ^ 29 * (i // 65536)) % 256 for i in range(length))


def keys(case):
    context = {name: unhex(case[name]) for name in ("case", "exhibit", "kek", "intent")}
    use = case["use"]
    opened = exhibit.unwrap(unhex(case["under"]), exhibit.wrap_context(use, version=case["ring_version"], **context), unhex(case["wrapped"]))
    assert opened.hex() == case["content"]


def manifest(file, case):
    key, of, in_case = unhex(file["exhibit_key"]), unhex(file["exhibit"]), unhex(file["case"])
    json = case["json"].encode() if "json" in case else exhibit.open_manifest(key, of, unhex(case.get("object_name", file["object_name"])), unhex(case["object"]))
    exhibit.manifest(json, of, in_case)


def path(case):
    raw = unhex(case["path"])
    exhibit.check_path(raw)
    assert exhibit.display(raw) == case["display"], exhibit.display(raw)
    assert exhibit.export(raw) == case["export"], exhibit.export(raw)


def plan(case):
    padded, segments, last, last_object = exhibit.plan(int(case["stream_len"]))
    assert (padded, segments, last, last_object) == (case["padded_len"], case["segments"], case["last_segment_len"], case["last_object_len"])


def run(report):
    file = load("exhibit/segment.json")

    def segment(case):
        key = unhex(case.get("exhibit_key", file["exhibit_key"]))
        content = exhibit.open_segment(key, unhex(file["exhibit"]), case["stream_len"], 0, unhex(case["object_name"]), unhex(case["object"]))
        assert content == stream(case["stream_len"])

    judge(report, "exhibit/segment.json", file["cases"], segment, "result")
    file = load("exhibit/keys.json")
    judge(report, "exhibit/keys.json", file["cases"], keys, "result")
    of, shares = bytes([0xE1]) * 16, (bytes([1]) * 32, bytes([2]) * 32)
    key = exhibit.exhibit_key(*shares, of)
    made = {
        "exhibit_key": key.hex(), "exhibit_key_commitment": exhibit.exhibit_key_commitment(of, key).hex(),
        "release_share_commitment": exhibit.release_share_commitment(of, shares[1]).hex(),
    }
    if made != file["derived"]:
        report.faults.append("exhibit/keys.json: derives other keys")

    def reason(case):
        exhibit.open_reason(unhex(case["reason_key"]), case["origin"], unhex(case["intent"]), unhex(case["sealed"]))

    judge(report, "exhibit/reason.json", load("exhibit/reason.json")["cases"], reason, "result")
    manifests = load("exhibit/manifest.json")
    judge(report, "exhibit/manifest.json", manifests["cases"], lambda case: manifest(manifests, case), "result")
    good = next(case for case in manifests["cases"] if case["name"] == "good")["json"].encode()
    if exhibit.manifest_commitment(b"\x5a" * 32, good).hex() != manifests["commitment"]:
        report.faults.append("exhibit/manifest.json: another commitment")
    for name, check in (("path", path), ("plan", plan)):
        cases = load(f"exhibit/{name}.json")["cases"]
        for at, case in enumerate(cases):
            case.update(name=str(at), result=case.get("fault", "ok"))
        judge(report, f"exhibit/{name}.json", cases, check, "result")

    file = load("exhibit/salamander.json")
    message, context = unhex(file["message"]), unhex(file["context"])

    def salamander(case):
        plain = exhibit.open_message(unhex(case["input_key"]), context, message)
        assert plain[case["at"] :].startswith(case["reads"].encode())

    cases = [{**file["first"], "name": "first", "expect": "ok"}, {**file["second"], "name": "second", "expect": "wrong key"}]
    judge(report, "exhibit/salamander.json", cases, salamander)
    wycheproof(report)


def wycheproof(report):
    name = "foreign/cobblestone/c2sp_chunked_encryption_aes_256_gcm_test.json"
    cases = []
    for group in load(name)["testGroups"]:
        for test in group["tests"]:
            cases.append({**test, "name": str(test["tcId"]), "expect": "ok" if test["result"] == "valid" else test["result"]})
    judge(report, name, cases, foreign)


def foreign(case):
    """The ciphertext is compressed by zlib, as the file's notes say."""
    plain = exhibit.open_message(unhex(case["key"]), unhex(case["ctx"]), zlib.decompress(unhex(case["ct"])))
    assert case["result"] == "invalid" or len(plain) == case["msgLength"] and hashlib.sha512(plain).hexdigest() == case["msgSha512"]
