"""Judges tests/vectors/log."""

from . import log
from .common import need, unb64, unhex
from .vectors import judge, load


def octets(case, name):
    return case[name].encode() if name in case else bytes.fromhex(case[name + "_hex"])


def merkle(case):
    proof = [unhex(one, 32) for one in case["proof"]]
    if case["kind"] == "inclusion":
        log.verify_inclusion(case["index"], case["size"], unhex(case["leaf"]), proof, unhex(case["root"]))
    else:
        log.verify_consistency(case["old"], unhex(case["old_root"]), case["new"], unhex(case["new_root"]), proof)


def cosignature(case):
    key = log.cosigner_key(case["key"])
    checkpoint = log.verified_checkpoint(case["checkpoint"].encode(), [log.log_key(load("log/example.json")["log_vkey"])])
    times = checkpoint.note.cosigned(key)
    need(times and times[0] == case["time"], "not cosigned, or at another time")


def policy(case):
    met = log.Policy(octets(case, "policy")).judge(log.Checkpoint(case["checkpoint"].encode()))
    assert met == case["quorum"], "the quorum"


def proof(case):
    log.ProofFile(case["file"]).verify(unhex(case["entry"]), log.log_key(case["key"]))


def tile(case):
    tile = log.Tile(case["path"])
    if case["kind"] == "path":
        assert [tile.content, tile.index, tile.width] == [case["content"], case["index"], case["width"]]
        return
    held = tile.read(unhex(case["bytes"]))
    leaves = [log.leaf_hash(one) for one in held] if tile.content == "entries" else held
    assert log.root(leaves).hex() == case["root"]


def run(report):
    def each(name, check):
        judge(report, f"log/{name}.json", load(f"log/{name}.json")["cases"], check)

    each("merkle", merkle)
    each("note", lambda case: log.Note(octets(case, "note")).verify([log.VerifierKey(key) for key in case["keys"]]))
    each("vkeys", lambda case: log.VerifierKey(case["vkey"]))
    each("checkpoint", lambda case: log.verified_checkpoint(case["checkpoint"].encode(), [log.log_key(key) for key in case["keys"]]))
    each("cosignature", cosignature)
    each("policy", policy)
    each("proof", proof)
    each("tiles", tile)
    foreign(report)


def foreign(report):
    file = load("log/foreign.json")
    leaves = [log.leaf_hash(unhex(leaf)) for leaf in file["leaves"]]
    for size, root in enumerate(file["roots"]):
        assert log.root(leaves[:size]).hex() == root
    for case in file["inclusion"]:
        assert "".join(one.hex() for one in log.path(case["index"], leaves[: case["size"]])) == case["proof"]
    report.count("log/foreign.json", len(file["roots"]) + len(file["inclusion"]), 0)

    file = load("log/transparency-dev.json")

    def hash_of(text):
        data = unb64(text)
        return data if len(data) == 32 else log.sha256(b"placeholder", data)

    # Of the empty tree there is one root, so two equal placeholders do not pass for it.
    stricter = "consistency/additional/sizes-are-equal-and-proof-is-not-empty-where-both-sizes-are-zero"

    def check(case):
        proof = [hash_of(one) for one in case["proof"]]
        if "leafIdx" in case:
            log.verify_inclusion(case["leafIdx"], case["treeSize"], hash_of(case["leafHash"]), proof, hash_of(case["root"]))
        else:
            log.verify_consistency(case["size1"], hash_of(case["root1"]), case["size2"], hash_of(case["root2"]), proof)

    cases = [case for case in file["inclusion"] if case["root"] and case["leafHash"]] + file["consistency"]
    for case in cases:
        case["expect"] = "refused" if case["wantErr"] or case["name"] == stricter else "ok"
    judge(report, "log/transparency-dev.json", cases, check)


