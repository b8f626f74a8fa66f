"""docs/spec/custody.md: intents, records, chains, receipts."""

import functools
import re

from .common import (
    Reader, Refused, array, date, digest, hex_id, integer, members, need, one_encoding, one_of, parse_json, rfc3339, sha256, text, u, unb64, unb64url, unhex,
)
from .jws import Compact

TYP = "custodia-intent+jws"
MAX_INTENT = 192 * 1024
MAX_RECEIPT = 512 * 1024
REGISTRY = bytes(16)
PURPOSES = {
    "investigation", "prosecution", "trial", "defence-access", "victim-protection", "mutual-assistance",
}
LOG_PURPOSES = {
    "lawfulness-check", "self-monitoring", "integrity-security", "criminal-proceedings",
}
HANDLING = {"H0", "H1", "H2", "H3"}
TERMS = {"founder", "full", "chosen", "none", "resync", "recovery"}
REASONS = {"key-compromise", "lost", "left", "superseded", "other"}


def adds(value):
    for add in array(value):
        members(add, "certificate terms")
        digest(add["certificate"])
        one_of(add["terms"], TERMS)


def derivation(value):
    members(value, "how other")
    one_of(value["how"], {"copy", "extract", "redaction", "translation", "transcript"})
    digest(value["other"])


def flag(value):
    need(isinstance(value, bool), "not true or false")


def ring_version(value):
    need(integer(value, 4) != 0, "ring versions begin with 1")


def generation(value):
    need(integer(value, 4) != 0, "successor groups begin with 1")


def group_id(value):
    unhex(value, 20)


def printable(value):
    need(isinstance(value, str) and len(value) <= 200 and re.fullmatch("[ -~]*", value), "not printable ASCII")


def each(kind):
    return lambda value: [kind(one) for one in array(value)]


FORMS = {
    "export": {},
    "grant": {"grant": digest, "device": digest},
    "dossier": {"payload": digest},
    "transfer": {"means": lambda value: one_of(value, {"usb", "courier", "post", "in-person", "other-system"})},
}


def disclosure(body):
    need(isinstance(body, dict), "not an object")
    fields(body, {"form": lambda value: one_of(value, FORMS), **FORMS.get(str(body.get("form")), {})})


STEPS = {"propose": {"records": each(integer)}, "confirm": {"proposal": hex_id, "digest": digest}}


def erasure(body):
    need(isinstance(body, dict), "not an object")
    fields(body, {"step": lambda value: one_of(value, STEPS), **STEPS.get(str(body.get("step")), {})})


PLACES = {"propose": {"lost": digest, "device": digest}, "confirm": {"proposal": hex_id, "digest": digest}}


def recovery(body):
    need(isinstance(body, dict), "not an object")
    fields(body, {"step": lambda value: one_of(value, PLACES), **PLACES.get(str(body.get("step")), {})})


def fields(body, kinds):
    """Members in order, each with what it is; `name?` may be absent."""
    members(body, " ".join(kinds))
    for name, value in body.items():
        (kinds.get(name) or kinds[name + "?"])(value)


def simple(kinds):
    return lambda body: fields(body, kinds)


def word(*words):
    return lambda value: one_of(value, words)


COLLECTION = {
    "manifest_commitment": digest, "manifest_object": digest, "objects": integer, "objects_digest": digest, "sealed_bytes": integer,
    "exhibit_key_commitment": digest, "release_share_commitment": digest, "ring_version": ring_version, "handling": word(*HANDLING),
    "review": date, "derivation?": derivation,
}

# kind: of an exhibit, purpose, sealed, body
KINDS = {
    "collection": (True, False, True, simple(COLLECTION)),
    "consultation": (True, True, True, simple({"mode": word("view")})),
    "disclosure": (True, True, True, disclosure),
    "alteration": (True, False, True, simple({"handling?": word(*HANDLING), "review?": date})),
    "combination": (True, False, True, simple({"derivation": derivation})),
    "erasure": (True, True, True, erasure),
    "hold.place": (True, False, True, simple({})),
    "hold.lift": (True, False, True, simple({})),
    "restriction.place": (True, False, True, simple({})),
    "restriction.lift": (True, False, True, simple({})),
    "consent.give": (True, False, True, simple({"to": word("judicial-use", "onward")})),
    "case.create": (False, False, True, simple(
        {"group_id": group_id, "group_info": digest, "ring_version": ring_version, "ring_commitment": digest, "ring_row": digest,
         "members": adds, "parent?": hex_id, "review": date})),
    "case.recovery": (False, False, True, recovery),
    "member.change": (False, False, True, simple(
        {"epoch": integer, "commit": digest, "welcome?": digest, "ring_version": ring_version, "ring_commitment": digest, "ring_row?": digest,
         "adds": adds, "removes": each(digest), "resync": flag})),
    "member.leave": (False, False, True, simple({})),
    "group.report": (False, False, True, simple({"epoch": integer, "commit": digest, "error": printable})),
    "group.succeed": (False, False, True, simple(
        {"generation": generation, "epoch": integer, "bad": digest, "group_info": digest, "commit": digest, "welcome?": digest,
         "ring_version": ring_version, "ring_commitment": digest, "ring_row": digest, "members": each(digest)})),
    "device.enrol": (False, False, False, simple({"certificate": unb64})),
    "device.revoke": (False, False, False, simple({"device": hex_id, "reason": word(*REASONS)})),
    "trust.list": (False, False, False, simple({"list": lambda value: text(value, 512 * 1024)})),
    "log.origin": (False, False, False, simple({"previous": lambda value: text(value, 255), "size": integer, "root": digest})),
    "log.read": (False, True, True, simple({"from": integer, "to": integer})),
}
OF_THE_REGISTRY = {"device.enrol", "device.revoke", "trust.list", "log.origin"}


def sealed(value, kind, returns):
    members(value, "message ring? auditors trust_list")
    length = len(unb64url(value["message"]))
    # A message of a plaintext of 256 to 16384 bytes, a multiple of 256.
    need(any(56 + n + 16 * (n // 16384 + 1) == length for n in range(256, 16385, 256)), "not the length of a sealed reason")
    need(returns or ("ring" in value) == (kind != "log.read"), "a ring key wraps every reason but a log.read's and that of who comes back")
    if "ring" in value:
        members(value["ring"], "version wrap")
        ring_version(value["ring"]["version"])
        need(len(unb64url(value["ring"]["wrap"])) == 104, "not a wrap")
    for auditor in array(value["auditors"], 0, 32):
        members(auditor, "certificate wrap")
        digest(auditor["certificate"])
        need(len(unb64url(auditor["wrap"])) == 1120 + 32 + 16, "not a wrap")
    integer(value["trust_list"])


class Intent:
    """An intent, read and not yet verified."""

    def __init__(self, jws):
        self.jws = Compact(jws, TYP, MAX_INTENT)
        self.signer = self.jws.signer
        said = self.said = one_encoding(self.jws.payload)
        members(said, "v origin id kind case exhibit? purpose? recipients? time clock group? seen chain_seen? body sealed?")
        need(said["v"] == 1 and type(said["v"]) is int, "not version 1")
        need(isinstance(said["origin"], str), "not a text")
        self.id, self.case = hex_id(said["id"]), hex_id(said["case"])
        kind = self.kind = one_of(said["kind"], KINDS)
        of_exhibit, purpose, with_reason, body = KINDS[kind]
        of_case = kind not in OF_THE_REGISTRY and kind != "log.read"
        need(kind == "log.read" or of_case == (self.case != REGISTRY), "the registry's case is for its kinds alone")

        def present(name, wanted):
            need((name in said) == wanted, f"{name} is {'missing' if wanted else 'not for this kind'}")
            return wanted

        self.exhibit = hex_id(said["exhibit"]) if present("exhibit", of_exhibit) else None
        if present("purpose", purpose):
            one_of(said["purpose"], LOG_PURPOSES if kind == "log.read" else PURPOSES)
        if "recipients" in said:
            need(kind in ("disclosure", "consent.give"), "recipients are not for this kind")
            [text(one, 128) for one in array(said["recipients"], 1, 64)]
        need(kind != "disclosure" or "recipients" in said, "a disclosure names its recipients")
        self.time = rfc3339(said["time"])
        one_of(said["clock"], {"os", "ntp", "manual"})
        if present("group", of_case and kind != "case.create"):
            members(said["group"], "id epoch transcript")
            group_id(said["group"]["id"])
            integer(said["group"]["epoch"])
            unhex(said["group"]["transcript"], 48 if said["group"]["epoch"] else 0)
        self.seen = self.head(said["seen"])
        self.chain_seen = None
        if present("chain_seen", of_exhibit and kind != "collection"):
            seen = members(said["chain_seen"], "seq commitment")
            self.chain_seen = (integer(seen["seq"]), digest(seen["commitment"]))
        body(said["body"])
        self.body = said["body"]
        if present("sealed", with_reason):
            sealed(said["sealed"], kind, kind == "member.change" and self.body["resync"])

    @staticmethod
    def head(value):
        members(value, "size root")
        return integer(value["size"]), digest(value["root"])


# Records.


def core_bytes(index, time, rule, attempts, intent):
    """`rule` is the empty text for an accepted record."""
    rule, intent = rule.encode(), intent.encode()
    return b"\x01" + u(8, index) + u(8, time) + bytes([bool(rule), len(rule)]) + rule + u(4, attempts) + u(4, len(intent)) + intent


def place_bytes(chain, number, previous):
    return b"\x01" + chain + u(8, number) + previous


class Core:
    def __init__(self, data):
        read = Reader(data)
        need(read.number(1) == 1, "not version 1")
        self.index, self.time = read.number(8), read.number(8)
        need(self.index < 1 << 48, "no log is so long")
        need(self.time <= 253_402_300_799_999, "past the year 9999")
        outcome, length = read.number(1), read.number(1)
        need(outcome in (0, 1) and length <= 15 and (outcome == 1) == (length > 0), "outcome and rule do not fit")
        self.rule = read.take(length).decode("ascii", "replace")
        need(re.fullmatch("[A-Z0-9-]*", self.rule), "not a rule id")
        self.attempts = read.number(4)
        need(self.attempts >= 1 and (outcome == 1 or self.attempts == 1), "an accepted record stands for one attempt")
        length = read.number(4)
        need(1 <= length <= 196608, "not the length of an intent")
        try:
            self.text = read.take(length).decode()
        except UnicodeDecodeError:
            raise Refused("the intent is not text") from None
        read.end()

    @functools.cached_property
    def intent(self):
        """What stands in it, which may not be an intent."""
        return Intent(self.text)


class Place:
    def __init__(self, data):
        read = Reader(data)
        need(read.number(1) == 1, "not version 1")
        self.chain, self.number, self.previous = read.take(16), read.number(8), read.take(32)
        read.end()
        need((self.number == 0) == (self.previous == bytes(32)), "exactly the first record has none before it")


def part_commitment(name, salt, data):
    return sha256(b"custodia/part/", name.encode(), salt, data)


def leaf_commitment(core, case, exhibit):
    return sha256(b"custodia/leaf/v1", core, case, exhibit)


def entry(commitment):
    return b"\x01" + commitment


def derivation_commitment(salt, exhibit):
    return sha256(b"custodia/derivation/v1", salt, exhibit)


class View:
    """A record of which each part is open or closed; `core` and `case` are None where closed, `exhibit` also where it is empty."""

    def __init__(self, value):
        members(value, "index core case exhibit", ordered=False)
        self.index = integer(value["index"])
        opened, commitments = {}, {}
        for name in ("core", "case", "exhibit"):
            part = value[name]
            need(isinstance(part, dict), "not a part")
            if "commitment" in part:
                commitments[name] = digest(members(part, "commitment")["commitment"])
            else:
                members(part, "bytes salt", ordered=False)
                opened[name] = unb64(part["bytes"])
                commitments[name] = part_commitment(name, digest(part["salt"]), opened[name])
        self.commitment = leaf_commitment(commitments["core"], commitments["case"], commitments["exhibit"])
        self.core = Core(opened["core"]) if "core" in opened else None
        self.case = Place(opened["case"]) if "case" in opened else None
        self.exhibit_open = "exhibit" in opened
        self.exhibit = Place(opened["exhibit"]) if opened.get("exhibit") else None
        need(not self.core or self.core.index == self.index, "the core names another index")


    def fits(self, intent):
        """Are the places that are open in the chains that the intent names?"""
        need(not self.case or intent.case == self.case.chain, "the intent names another case")
        need(not self.exhibit_open or intent.exhibit == (self.exhibit.chain if self.exhibit else None), "the intent names another exhibit")


def check_chain(chain, which, views):
    """Numbers from 0 without a gap, each names the one before, indexes increase, times do not decrease."""
    previous, index, time = bytes(32), -1, 0
    for number, view in enumerate(views):
        place = getattr(view, which)
        need(place is not None, "a record without its place in this chain")
        need(place.chain == chain, "a record of another chain")
        need(place.number == number, "a gap in the chain, or a number twice")
        need(place.previous == previous, "names another record before it")
        need(view.index > index, "the index does not increase")
        if view.core:
            need(view.core.time >= time, "the time decreases")
            time = view.core.time
        previous, index = view.commitment, view.index
    return previous


class Receipt:
    def __init__(self, text_):
        need(len(text_.encode()) <= MAX_RECEIPT, "too long for a receipt")
        said = members(parse_json(text_), "v record proof checkpoint", ordered=False)
        need(said["v"] == 1 and type(said["v"]) is int, "not version 1")
        self.view = View(said["record"])
        self.proof = [digest(one) for one in array(said["proof"], 0, 48)]
        need(isinstance(said["checkpoint"], str), "not a checkpoint")
        self.checkpoint = said["checkpoint"]

    def verify(self, log_key, certificate_key=None):
        """Under the log key that is pinned and, where core is open, the key of the certificate that the intent's header names."""
        from . import log

        checkpoint = log.verified_checkpoint(self.checkpoint.encode(), [log_key])
        leaf = log.leaf_hash(entry(self.view.commitment))
        log.verify_inclusion(self.view.index, checkpoint.size, leaf, self.proof, checkpoint.root)
        if self.view.core:
            intent = self.view.core.intent
            need(intent.said["origin"] == checkpoint.origin, "an intent for another log")
            intent.jws.verify(certificate_key)
            self.view.fits(intent)
