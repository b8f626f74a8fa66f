"""Judges tests/vectors/custody."""

from . import custody, log
from .common import need, parse_json, unhex
from .vectors import judge, load


def intent(case):
    read = custody.Intent(case["intent"])
    need(read.signer == unhex(case["signer"]), "another signer")
    read.jws.verify(unhex(case["key"]))


def record(case):
    if case["kind"] == "core":
        return custody.Core(unhex(case["bytes"]))
    if case["kind"] == "place":
        return custody.Place(unhex(case["bytes"]))
    if case["kind"] == "entry":
        entry = unhex(case["bytes"])
        return need(len(entry) == 33 and entry[0] == 1, "not an entry of version 1")
    if case["kind"] == "view":
        view = custody.View(parse_json(case["view"]))
        return need(view.commitment == unhex(case["commitment"]), "another commitment")
    places = {name: case[name] and custody.place_bytes(unhex(case[name]["chain"]), case[name]["seq"], unhex(case[name]["previous"])) for name in ("case", "exhibit")}
    core = custody.core_bytes(case["index"], case["time"], case["rule"] or "", case["attempts"], case["intent"])
    parts = {"core": core, "case": places["case"], "exhibit": places["exhibit"] or b""}
    commitments = {name: custody.part_commitment(name, unhex(case["salts"][name]), data) for name, data in parts.items()}
    commitment = custody.leaf_commitment(*commitments.values())
    assert {name: data.hex() for name, data in parts.items()} == case["bytes"]
    assert {name: data.hex() for name, data in commitments.items()} == case["commitments"]
    assert commitment.hex() == case["commitment"] and custody.entry(commitment).hex() == case["entry"]
    assert log.leaf_hash(custody.entry(commitment)).hex() == case["leaf"]
    custody.Core(core)


def derivation(case):
    need(custody.derivation_commitment(unhex(case["salt"]), unhex(case["exhibit"])).hex() == case["other"], "another commitment")


def run(report):
    def each(name, check):
        judge(report, f"custody/{name}.json", load(f"custody/{name}.json")["cases"], check)

    each("intents", intent)
    each("records", record)
    each("receipts", lambda case: custody.Receipt(case["receipt"]).verify(log.log_key(case["log"]), unhex(case["key"])))
    each("chains", lambda case: custody.check_chain(unhex(case["chain"]), case["which"], [custody.View(view) for view in case["views"]]))
    each("derivations", derivation)
