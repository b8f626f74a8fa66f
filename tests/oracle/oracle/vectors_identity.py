"""Judges tests/vectors/identity."""

from . import hpke, identity
from .common import rfc3339, unb64, unhex
from .vectors import judge, load


def run(report):
    file = load("identity/certificates.json")
    listed = identity.TrustList(file["trust_list"])
    listed.verify_first(unhex(file["pin"]))
    at = rfc3339(file["at"])
    judge(report, "identity/certificates.json", file["devices"], lambda case: listed.certify(identity.Device(unb64(case["input"])), at), "verdict")
    judge(report, "identity/certificates.json", file["roots"], lambda case: identity.Root(unb64(case["input"])), "verdict")
    file = load("identity/trust-lists.json")
    pin = unhex(file["pin"])
    first = identity.TrustList(file["first"])
    first.verify_first(pin)
    judge(report, "identity/trust-lists.json", file["firsts"], lambda case: identity.TrustList(case["input"]).verify_first(pin), "verdict")
    judge(report, "identity/trust-lists.json", file["successors"], lambda case: identity.TrustList(case["input"]).verify_successor(first), "verdict")

    file = load("identity/hpke.json")
    opened = hpke.open_base(unhex(file["private_key"]), unhex(file["enc"]) + unhex(file["ciphertext_kdf2_aead2"]), unhex(file["info"]), unhex(file["aad"]))
    if opened.hex() != file["plaintext"]:
        report.faults.append("identity/hpke.json: opens to another text")
    report.count("identity/hpke.json", 1, 0)

    file = load("identity/list.json")
    second = identity.TrustList(file["list"])
    second.verify_first(unhex(file["pin"]))
    at = rfc3339(file["at"])
    judge(report, "identity/issued.json", load("identity/issued.json")["cases"], lambda case: second.certify(identity.Device(unb64(case["certificate"])), at))

    def request(case):
        assert identity.Request(case["request"]).fingerprint.hex() == case["fingerprint"]

    judge(report, "identity/requests.json", load("identity/requests.json")["cases"], request)
