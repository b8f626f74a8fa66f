"""What schemathesis does not know: a vault with a case in it, and how a device signs.

Requests are signed by the second implementation (`tests/oracle`), so that a server which reads more or less than `docs/spec/http.md` says is
noticed here. Identifiers, bodies and intents of the vault take turns with those that schemathesis makes up; intents are changed in one place
and signed anew, so that what lies behind the signature is reached.
"""

import atexit
import base64
import json
import os
import random
import sys
from pathlib import Path
from urllib.parse import urlsplit

import schemathesis
from hypothesis import strategies as st
from requests.auth import AuthBase

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracle"))

from oracle import http, jws  # noqa: E402
from oracle.common import Key, b64, compact, unb64url  # noqa: E402

WORLD = json.loads(Path(os.environ["CUSTODIA_CONTRACT_WORLD"]).read_text())
# signed, signed by a stranger to the case, unsigned, or wrongly signed.
MODE = os.environ["CUSTODIA_CONTRACT_MODE"]
TALLY = Path(os.environ["CUSTODIA_CONTRACT_TALLY"])

GOOD = {(one["method"], one["route"]): one for one in WORLD["requests"]}
NONCES = random.Random(int.from_bytes(os.urandom(8), "big"))
OTHER = Key(bytes([0xA5]) * 32)
# By request of the document: how often each status was answered.
tally = {}


class Caller:
    def __init__(self, told):
        self.keyid, self.key = told["keyid"], Key(bytes.fromhex(told["seed"]))


CALLERS = {name: Caller(told) for name, told in WORLD["callers"].items()}


def sender_of(path):
    """The auditor reads the log; everything else is sent by the member of the case, or all of it by a stranger to it."""
    if MODE == "stranger":
        return CALLERS["stranger"]
    return CALLERS["reader" if path.startswith("/v1/log/") else "member"]


# How a request is signed, or wrongly signed.

WRONG = (
    "key", "path", "method", "query", "host", "digest", "age", "unknown certificate", "replay", "another's certificate", "form", "tag",
    "signature cut", "header twice",
)


class Signature(AuthBase):
    """Signs what is about to be sent; a wrong signature is wrong in each way in turn."""

    def __init__(self):
        self.turn = 0
        self.last = {}

    def __call__(self, request):
        parts = urlsplit(request.url)
        if parts.path.startswith("/tile/"):
            # No document can say that a place of a path holds slashes.
            request.url = request.url.replace("%2F", "/")
            return request
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, bytes):
            raise TypeError(f"a body of {type(body)} cannot be signed")
        method = request.method if request.method in ("GET", "PUT", "POST") else "GET"
        sender = sender_of(parts.path)
        wrong = None
        if MODE == "wrong":
            wrong = WRONG[self.turn % len(WRONG)]
            self.turn += 1
        target = parts.path + ("?" + parts.query if parts.query else "")
        host = parts.netloc
        digest = http.content_digest(body)
        said = http.parameters(
            "POST" if method != "POST" and wrong == "method" else "GET" if wrong == "method" else method,
            WORLD["created"] - (301 if wrong == "age" else 0),
            f"{NONCES.getrandbits(128):032x}",
            {"unknown certificate": "0" * 64, "another's certificate": CALLERS["stranger"].keyid}.get(wrong, sender.keyid),
        )
        if wrong == "tag":
            said = said.replace("custodia/1", "custodia/2")
        signed = {
            "path": (method, host, "/v1/cases/" + target, digest),
            "query": (method, host, target + ("&" if "?" in target else "?") + "from=1", digest),
            "host": (method, "elsewhere.example", target, digest),
            "method": ("PUT" if method != "PUT" else "GET", host, target, digest),
            "digest": (method, host, target, http.content_digest(body + b" ")),
        }.get(wrong, (method, host, target, digest))
        if wrong == "digest" and method != "POST":
            signed = (method, host, target + "/", digest)
        key = OTHER if wrong == "key" else sender.key
        signature = b64(key.sign(http.base(*signed, said)))
        headers = {"Signature-Input": "sig1=" + said, "Signature": f"sig1=:{signature}:"}
        if method == "POST":
            headers["Content-Digest"] = http.content_digest(body + b" ") if wrong == "digest" else digest
        if wrong == "signature cut":
            headers["Signature"] = headers["Signature"][:-9] + ":"
        if wrong == "form":
            headers["Signature-Input"] = headers["Signature-Input"].replace(";created", "; created")
        if wrong == "header twice":
            headers["Signature"] += ", " + headers["Signature"]
        if wrong == "replay":
            # What was wrong before is wrong again; a good one, sent twice, is tried by the suite.
            headers.update(self.last.get((request.method, parts.path), {"Signature": "sig1=::"}))
        self.last[request.method, parts.path] = dict(headers)
        for name in ("Signature-Input", "Signature", "Content-Digest"):
            request.headers.pop(name, None)
        request.headers.update(headers)
        return request


if MODE != "unsigned":
    schemathesis.auth.set_from_requests(Signature())


@schemathesis.hook
def after_call(context, case, response):
    name = f"{case.method} {case.path}" if case.method.upper() == case.operation.method.upper() else "another method"
    of = tally.setdefault(name, {})
    of[str(response.status_code)] = of.get(str(response.status_code), 0) + 1


atexit.register(lambda: TALLY.write_text(json.dumps(tally)))


# What stands in the vault, as examples of the document and in the place of what is made up.


# A checkpoint is text.
TEXT = "/v1/log/cosignatures"


def content_type(one):
    return "application/octet-stream" if one["method"] == "PUT" else "text/plain" if one["route"] == TEXT else "application/json"


def body_of(one):
    if one["method"] == "PUT" or one["route"] == TEXT:
        return one["body"]
    body = json.loads(one["body"])
    if MODE == "stranger" and "intent" in body and one["route"] != "/v1/registry":
        payload = json.loads(unb64url(body["intent"].split(".")[1]))
        payload["id"] = f"{NONCES.getrandbits(128):032x}"
        body["intent"] = signed_intent(payload, CALLERS["stranger"])
    return body


def signed_intent(payload, sender):
    return jws.sign("custodia-intent+jws", bytes.fromhex(sender.keyid), compact(payload).encode(), sender.key)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    # The headers of a signature are made here and cannot be made up; that none, and wrong ones, are refused has runs of its own.
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    for (method, route), good in GOOD.items():
        operation = raw_schema["paths"].get(route, {}).get(method.lower())
        if operation is None:
            continue
        known = {**good["path"], **good["query"]}
        for parameter in operation.get("parameters", []):
            if parameter["name"] in known:
                parameter["example"] = known[parameter["name"]]
        if good["body"] and "requestBody" in operation:
            operation["requestBody"]["content"][content_type(good)]["example"] = body_of(good)


PAYLOADS = [
    (good["route"], json.loads(unb64url(body["intent"].split(".")[1])))
    for good in GOOD.values()
    if good["method"] == "POST" and good["route"] not in ("/v1/registry", TEXT) and "intent" in (body := json.loads(good["body"]))
]

ODD = st.one_of(st.none(), st.booleans(), st.integers(-1, 2**64), st.text(max_size=40), st.just({}), st.just([]), st.lists(st.just({}), max_size=2))


@st.composite
def intents(draw, route, sender):
    """An intent of the vault, of this route three times in four, under a new id, perhaps changed in one place, signed by the sender."""
    own = [payload for of, payload in PAYLOADS if of == route or draw(st.integers(0, 3)) == 0]
    payload = json.loads(json.dumps(draw(st.sampled_from(own or [payload for _, payload in PAYLOADS]))))
    payload["id"] = draw(st.binary(min_size=16, max_size=16)).hex()
    change = draw(st.sampled_from(["nothing", "member", "body", "order", "gone", "nested", "borrowed"]))
    place = payload if change in ("member", "gone", "nested", "borrowed") else payload["body"]
    if place and change != "nothing":
        name = draw(st.sampled_from(sorted(place)))
        if change == "gone":
            del place[name]
        elif change == "order":
            payload = dict(reversed(payload.items()))
        elif change == "borrowed":
            place[name] = draw(st.sampled_from([other.get(name) for _, other in PAYLOADS]))
        elif change == "nested" and isinstance(place[name], dict) and place[name]:
            place[name][draw(st.sampled_from(sorted(place[name])))] = draw(ODD)
        else:
            place[name] = draw(ODD)
    return signed_intent(payload, sender)


@schemathesis.hook
def flatmap_case(context, case):
    """Half of what fits the document is about what stands in the vault."""
    good = GOOD.get((case.method, case.path))
    if good is None or case.meta is None or not case.meta.generation.mode.is_positive:
        return st.just(case)

    @st.composite
    def in_the_vault(draw):
        if draw(st.booleans()):
            case.path_parameters = {**(case.path_parameters or {}), **good["path"]} or case.path_parameters
        if isinstance(case.body, dict) and draw(st.booleans()):
            known = body_of(good)
            for name in known:
                if draw(st.booleans()):
                    case.body[name] = known[name]
            if "intent" in known:
                case.body["intent"] = draw(intents(good["route"], sender_of(good["route"])))
        return case

    return in_the_vault()
