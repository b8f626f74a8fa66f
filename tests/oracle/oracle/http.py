"""docs/spec/http.md: the signature of a request (RFC 9421)."""

import re

from .common import b64, check_signature, need, sha256, unb64

PARAMETERS = re.compile(r'sig1=(\(([^()]*)\);created=(0|[1-9][0-9]*);nonce="([0-9a-f]{32})";keyid="([0-9a-f]{64})";alg="ed25519";tag="custodia/1")')


def components(method):
    return ["@method", "@authority", "@path", "@query"] + (["content-digest"] if method == "POST" else [])


def parameters(method, created, nonce, keyid):
    named = " ".join(f'"{one}"' for one in components(method))
    return f'({named});created={created};nonce="{nonce}";keyid="{keyid}";alg="ed25519";tag="custodia/1"'


def content_digest(body):
    return f"sha-256=:{b64(sha256(body))}:"


def base(method, authority, target, digest, said):
    path, _, query = target.partition("?")
    lines = {"@method": method, "@authority": authority, "@path": path, "@query": "?" + query, "content-digest": digest}
    return "\n".join([f'"{one}": {lines[one]}' for one in components(method)] + [f'"@signature-params": {said}']).encode()


def check(request, authority, key, now):
    """A request: method, target, and headers as pairs of name and value, with its body. Refuses in the order of the page."""
    headers = {}
    for name, value in request["headers"]:
        need(name.lower() not in headers, "a header twice")
        headers[name.lower()] = value
    need("signature-input" in headers and "signature" in headers, "not signed")
    match = PARAMETERS.fullmatch(headers["signature-input"])
    need(match, "another form of Signature-Input")
    method = request["method"]
    need(match[2] == " ".join(f'"{one}"' for one in components(method)), "other components")
    need(method in ("GET", "PUT", "POST"), "another method")
    need(("content-digest" in headers) == (method == "POST"), "Content-Digest is there or not")
    signature = re.fullmatch("sig1=:([A-Za-z0-9+/=]*):", headers["signature"])
    need(signature, "another form of Signature")
    need(headers.get("host") == authority, "another host")
    digest = headers.get("content-digest")
    check_signature(key, unb64(signature[1]), base(method, authority, request["target"], digest, match[1]))
    need(abs(now - int(match[3])) <= 300, "made at another time")
    need(method != "POST" or digest == content_digest(bytes.fromhex(request["body"])), "the body has another digest")
    return match[5]
