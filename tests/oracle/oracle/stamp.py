"""docs/spec/witnesses.md §3: time stamps (RFC 3161) judged by pinned roots."""

import base64
import hashlib
import re
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from . import der
from .common import Refused, need

SHA2 = {"2.16.840.1.101.3.4.2.1": hashes.SHA256, "2.16.840.1.101.3.4.2.2": hashes.SHA384, "2.16.840.1.101.3.4.2.3": hashes.SHA512}
RSA, ED25519 = "1.2.840.113549.1.1.1", "1.3.101.112"
RSA_WITH = {"1.2.840.113549.1.1.11": hashes.SHA256, "1.2.840.113549.1.1.12": hashes.SHA384, "1.2.840.113549.1.1.13": hashes.SHA512}
ECDSA_WITH = {"1.2.840.10045.4.3.2": hashes.SHA256, "1.2.840.10045.4.3.3": hashes.SHA384, "1.2.840.10045.4.3.4": hashes.SHA512}
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
BASIC, USAGE, EXTENDED, POLICIES, KEY_ID = "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.32", "2.5.29.14"
BOOLEAN = 1


class CountsForNothing(Refused):
    """By nobody who is pinned."""


class Parts:
    """Elements one after the other."""

    def __init__(self, content):
        self.rest = content

    def take(self, tag=None):
        need(self.rest, "an element is missing")
        before = self.rest
        tag, content, self.rest = der.one(self.rest, tag)
        self.whole = before[: len(before) - len(self.rest)]
        return content

    def maybe(self, tag):
        return self.take(tag) if self.rest and self.rest[0] == tag else None

    def end(self):
        need(not self.rest, "something is left over")


def algorithm(content):
    """Identifier and the DER of its parameters."""
    parts = Parts(content)
    name = der.oid(parts.take(der.OID))
    found = parts.rest
    if found:
        parts.take()
        parts.end()
    return name, found


def plain(parameters):
    return parameters in (b"", b"\5\0")


def digest(named):
    return SHA2.get(named[0]) if plain(named[1]) else None


def digested(kind, data):
    return hashlib.new(kind.name, data).digest()


class Certificate:
    def __init__(self, data):
        self.der = data
        parts = Parts(der.whole(data, der.SEQUENCE))
        body = parts.take(der.SEQUENCE)
        self.signed = parts.whole
        outer = algorithm(parts.take(der.SEQUENCE))
        self.signature = parts.take(der.BITS)
        need(self.signature[:1] == b"\0", "not whole bytes")
        self.signature = self.signature[1:]
        parts.end()
        parts = Parts(body)
        parts.maybe(0xA0)
        self.serial = der.integer(parts.take(der.INTEGER))
        self.algorithm = algorithm(parts.take(der.SEQUENCE))
        need(self.algorithm == outer, "two algorithms")
        self.issuer, self.subject = self.name(parts), None
        times = Parts(parts.take(der.SEQUENCE))
        self.start, self.end = self.time(times), self.time(times)
        times.end()
        self.subject = self.name(parts)
        parts.take(der.SEQUENCE)
        self.info = parts.whole
        parts.maybe(0x81)
        parts.maybe(0x82)
        extensions = parts.maybe(0xA3)
        parts.end()
        self.extensions = {}
        for _, content, _ in der.each(der.whole(extensions, der.SEQUENCE), der.SEQUENCE) if extensions else ():
            one = Parts(content)
            kind = der.oid(one.take(der.OID))
            critical = one.maybe(BOOLEAN) == b"\xff"
            need(kind not in self.extensions, "an extension twice")
            self.extensions[kind] = critical, one.take(der.OCTETS)
            one.end()

    @staticmethod
    def name(parts):
        parts.take(der.SEQUENCE)
        return parts.whole

    @staticmethod
    def time(parts):
        kind = parts.rest[0] if parts.rest else None
        text = parts.take().decode("ascii", "replace")
        if kind == der.UTC:
            text = ("19" if text[:2] >= "50" else "20") + text
        need(kind in (der.UTC, der.GENERALIZED) and re.fullmatch("[0-9]{14}Z", text), "not a time")
        return seconds(text[:14])

    def key(self):
        try:
            key = load_der_public_key(self.info)
        except (ValueError, UnsupportedAlgorithm):
            return None
        if isinstance(key, rsa.RSAPublicKey):
            return key if 2048 <= key.key_size <= 4096 else None
        if isinstance(key, ec.EllipticCurvePublicKey):
            return key if isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)) else None
        return key if isinstance(key, ed25519.Ed25519PublicKey) else None

    def issued_by(self, above):
        return self.issuer == above.subject and verifies(above.key(), self.algorithm, None, self.signature, self.signed)

    def usage(self, *bits):
        if USAGE not in self.extensions:
            return True
        content = der.whole(self.extensions[USAGE][1], der.BITS)[1:]
        return any(len(content) > bit // 8 and content[bit // 8] & 0x80 >> bit % 8 for bit in bits)

    def authority(self, between):
        if BASIC not in self.extensions:
            return False
        parts = Parts(der.whole(self.extensions[BASIC][1], der.SEQUENCE))
        ca, most = parts.maybe(BOOLEAN), parts.maybe(der.INTEGER)
        return ca == b"\xff" and (most is None or between <= int.from_bytes(most, "big")) and self.usage(5)

    def knows_critical(self):
        return all(kind in (BASIC, USAGE, EXTENDED, POLICIES) or not critical for kind, (critical, _) in self.extensions.items())

    def key_id(self):
        return der.whole(self.extensions[KEY_ID][1], der.OCTETS) if KEY_ID in self.extensions else None


def seconds(text):
    try:
        return int(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise Refused("no such time") from None


def verifies(key, named, of_signer, signature, message):
    """`of_signer` is the digest of the signer, for an algorithm that names none."""
    name, parameters = named
    try:
        if isinstance(key, rsa.RSAPublicKey):
            kind = RSA_WITH.get(name) or (of_signer if name == RSA else None)
            need(kind and plain(parameters), "another algorithm")
            key.verify(signature, message, padding.PKCS1v15(), kind())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            need(name in ECDSA_WITH and parameters == b"", "another algorithm")
            key.verify(signature, message, ec.ECDSA(ECDSA_WITH[name]()))
        else:
            need(key and name == ED25519 and parameters == b"", "another algorithm")
            key.verify(signature, message)
    except (InvalidSignature, Refused):
        return False
    return True


def roots(pem):
    blocks = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return [Certificate(base64.b64decode(block)) for block in blocks]


class Stamp:
    """A response of the right form; `judge` says whether it is genuine."""

    def __init__(self, data):
        need(len(data) <= 64 * 1024, "over the limit")
        parts = Parts(der.whole(data, der.SEQUENCE))
        status = Parts(parts.take(der.SEQUENCE))
        need(status.take(der.INTEGER) in (b"\0", b"\1"), "not granted")
        token = Parts(parts.take(der.SEQUENCE))
        parts.end()
        need(der.oid(token.take(der.OID)) == SIGNED_DATA, "no SignedData")
        parts = Parts(der.whole(token.take(0xA0), der.SEQUENCE))
        token.end()
        need(parts.take(der.INTEGER) == b"\3", "another version")
        parts.take(der.SET)
        content = Parts(parts.take(der.SEQUENCE))
        need(der.oid(content.take(der.OID)) == TST_INFO, "no TSTInfo")
        self.content = der.whole(content.take(0xA0), der.OCTETS)
        content.end()
        certificates = der.each(parts.maybe(0xA0) or b"")
        need(len(certificates) <= 16, "too many certificates")
        self.certificates = []
        for tag, _, whole in certificates:
            try:
                self.certificates += [Certificate(whole)] if tag == der.SEQUENCE else []
            except Refused:
                pass
        parts.maybe(0xA1)
        signers = der.each(parts.take(der.SET))
        parts.end()
        need(len(signers) == 1 and signers[0][0] == der.SEQUENCE, "not one signer")
        self.info(Parts(der.whole(self.content, der.SEQUENCE)))
        self.signer(Parts(signers[0][1]))

    def info(self, parts):
        need(parts.take(der.INTEGER) == b"\1", "another version")
        der.oid(parts.take(der.OID))
        imprint = Parts(parts.take(der.SEQUENCE))
        self.imprint_kind, self.imprint = digest(algorithm(imprint.take(der.SEQUENCE))), imprint.take(der.OCTETS)
        imprint.end()
        self.serial = der.integer(parts.take(der.INTEGER))
        need(len(self.serial) <= 32, "a long number")
        match = re.fullmatch(r"([0-9]{14})(?:\.([0-9]{1,9}))?Z", parts.take(der.GENERALIZED).decode("ascii", "replace"))
        need(match, "not a time")
        self.time = seconds(match[1]) * 1000 + int((match[2] or "0").ljust(3, "0")[:3])
        need(self.time >= 0, "before 1970")
        accuracy, self.accuracy = Parts(parts.maybe(der.SEQUENCE) or b""), 0
        for tag, most, unit in ((der.INTEGER, (1 << 31) - 1, 1000), (0x80, 999, 1), (0x81, 999, None)):
            found = accuracy.maybe(tag)
            if found is not None:
                number = int.from_bytes(der.integer(found), "big", signed=True)
                need(0 <= number <= most, "not an accuracy")
                self.accuracy += number * unit if unit else -(-number // 1000)
        accuracy.end()
        parts.maybe(BOOLEAN)
        parts.maybe(der.INTEGER)
        parts.maybe(0xA0)
        for _, content, _ in der.each(parts.maybe(0xA1) or b"", der.SEQUENCE):
            one = Parts(content)
            der.oid(one.take(der.OID))
            need(one.maybe(BOOLEAN) in (None, b"\0"), "a critical extension")
        parts.end()

    def signer(self, parts):
        version = parts.take(der.INTEGER)
        if version == b"\1":
            id_ = Parts(parts.take(der.SEQUENCE))
            id_.take(der.SEQUENCE)
            named = id_.whole, id_.take(der.INTEGER)
            id_.end()
            self.names = lambda certificate: (certificate.issuer, certificate.serial) == named
        else:
            need(version == b"\3", "another version")
            key_id = parts.take(0x80)
            self.names = lambda certificate: certificate.key_id() == key_id
        self.digest = digest(algorithm(parts.take(der.SEQUENCE)))
        signed = parts.take(0xA0)
        self.signed = b"\x31" + parts.whole[1:]
        self.attributes, order = {}, []
        for _, content, whole in der.each(signed, der.SEQUENCE):
            one = Parts(content)
            kind = der.oid(one.take(der.OID))
            values = der.each(one.take(der.SET))
            one.end()
            need(len(values) == 1 and kind not in self.attributes, "not one value of each kind")
            self.attributes[kind] = values[0][2]
            order.append(whole)
        need(order and order == sorted(order), "attributes out of order, or none")
        self.algorithm = algorithm(parts.take(der.SEQUENCE))
        self.signature = parts.take(der.OCTETS)
        parts.maybe(0xA1)
        parts.end()

    def judge(self, stamped, pinned):
        """Earliest and latest time in milliseconds."""
        need(not self.imprint_kind or digested(self.imprint_kind, stamped) == self.imprint, "a stamp of other bytes")
        own = next((one for one in self.certificates if self.names(one)), None)
        if not own or not self.path(own, pinned, lambda certificate, between, is_root: True):
            raise CountsForNothing("nobody who is pinned")
        need(self.imprint_kind and self.digest, "another digest")
        self.attributed(own)
        need(verifies(own.key(), self.algorithm, self.digest, self.signature, self.signed), "another signature")
        second = self.time // 1000
        critical, usage = own.extensions.get(EXTENDED, (False, b""))
        need(critical and [der.oid(content) for _, content, _ in der.each(der.whole(usage, der.SEQUENCE))] == [TIME_STAMPING], "not for time stamps alone")
        need(own.usage(0, 1) and own.knows_critical() and own.start <= second <= own.end, "not a signer's certificate then")

        def stands(certificate, between, is_root):
            return certificate.authority(between) and certificate.start <= second <= certificate.end and (is_root or certificate.knows_critical())

        need(self.path(own, pinned, stands), "no path keeps to the rules")
        need(self.time >= self.accuracy, "before 1970")
        return self.time - self.accuracy, self.time + self.accuracy

    def attributed(self, own):
        need(self.attributes.get(CONTENT_TYPE) == der.put_oid(TST_INFO), "another content type")
        need(self.attributes.get(MESSAGE_DIGEST) == der.put(der.OCTETS, digested(self.digest, self.content)), "another digest of the content")
        found = [(kind, self.attributes[kind]) for kind in (SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_2) if kind in self.attributes]
        need(found, "no signing certificate")
        for kind, value in found:
            first = Parts(Parts(Parts(Parts(value).take(der.SEQUENCE)).take(der.SEQUENCE)).take(der.SEQUENCE))
            by = hashes.SHA1
            if kind == SIGNING_CERTIFICATE_2:
                named = first.maybe(der.SEQUENCE)
                by = hashes.SHA256 if named is None else digest(algorithm(named))
            need(by and first.take(der.OCTETS) == digested(by, own.der), "another signing certificate")

    def path(self, own, pinned, stands):
        here = [own]
        for between in range(5):
            if any(below.issued_by(root) and stands(root, between, True) for below in here for root in pinned):
                return True
            here = [one for one in self.certificates if any(below.issued_by(one) for below in here) and stands(one, between, False)]
        return False
