"""A time-stamping authority (RFC 3161) that makes any stamp it is asked for, also wrong ones. Keys are fixed, signatures without chance."""

from datetime import datetime, timezone

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from . import der, stamp
from .common import b64
from .vectors import FOLDER
from .world import seed

NULL = b"\5\0"
OIDS = {kind: oid for oid, kind in stamp.SHA2.items()}
SHA256, SHA384, SHA512 = hashes.SHA256, hashes.SHA384, hashes.SHA512
RSA_OIDS = {kind: oid for oid, kind in stamp.RSA_WITH.items()}
ECDSA_OIDS = {kind: oid for oid, kind in stamp.ECDSA_WITH.items()}
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def seq(*parts):
    return der.put(der.SEQUENCE, *parts)


def algorithm(oid, parameters=NULL):
    return seq(der.put_oid(oid), parameters)


def integer(number):
    return der.put(der.INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(data):
    return der.put(der.OCTETS, data)


class Rsa:
    def __init__(self, bits):
        self.secret = load_pem_private_key((FOLDER / f"stamps/keys/rsa-{bits}.pem").read_bytes(), None, unsafe_skip_rsa_key_validation=True)

    def algorithm(self, digest):
        return algorithm(RSA_OIDS.get(digest, "1.2.840.113549.1.1.5"))

    def sign(self, digest, message):
        return self.secret.sign(message, padding.PKCS1v15(), digest())


class Ec:
    def __init__(self, name, curve=ec.SECP256R1):
        self.secret = ec.derive_private_key(int.from_bytes(seed(name), "big") >> 1, curve())

    def algorithm(self, digest):
        return algorithm(ECDSA_OIDS.get(digest, "1.2.840.10045.4.1"), b"")

    def sign(self, digest, message):
        return self.secret.sign(message, ec.ECDSA(digest(), deterministic_signing=True))


class Ed:
    def __init__(self, name):
        self.secret = Ed25519PrivateKey.from_private_bytes(seed(name))

    def algorithm(self, digest):
        return algorithm(stamp.ED25519, b"")

    def sign(self, digest, message):
        return self.secret.sign(message)


def name(common):
    return seq(*(der.put(der.SET, seq(der.put_oid(kind), der.put(tag, value.encode()))) for kind, tag, value in (
        ("2.5.4.6", der.PRINTABLE, "BE"), ("2.5.4.10", der.UTF8, "Example Time"), ("2.5.4.3", der.UTF8, common))))


def moment(text):
    if text >= "2050":
        return der.put(der.GENERALIZED, text.encode())
    return der.put(der.UTC, text[2:].encode())


def extension(oid, value, critical=False):
    return seq(der.put_oid(oid), b"\1\1\xff" if critical else b"", octets(value))


def usage(*bits):
    value = sum(0x80 >> bit for bit in bits)
    unused = (value & -value).bit_length() - 1
    return extension(stamp.USAGE, der.put(der.BITS, bytes([unused, value])), True)


def extended(*kinds, critical=True):
    return extension(stamp.EXTENDED, seq(*map(der.put_oid, kinds)), critical)


def basic(ca=True, most=None):
    return extension(stamp.BASIC, seq(b"\1\1\xff" if ca else b"", integer(most) if most is not None else b""), True)


class Certificate:
    """Issued by `above`, or by itself."""

    def __init__(self, common, key, above=None, start="20240101000000Z", end="20391231235959Z", extensions=None, serial=None, issuer=None, digest=SHA256, of_key_id=False):
        self.common, self.key, self.above = common, key, above
        self.subject = name(common)
        self.serial = serial or int.from_bytes(seed("serial of " + common)[:8], "big") >> 1
        self.issuer = issuer or (above.subject if above else self.subject)
        by = above.key if above else key
        info = key.secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if extensions is None:
            extensions = [basic(), usage(5, 6)]
        if of_key_id:
            self.key_id = seed("key id of " + common)[:20]
            extensions = [*extensions, extension(stamp.KEY_ID, octets(self.key_id))]
        body = seq(
            der.put(0xA0, integer(2)), integer(self.serial), by.algorithm(digest), self.issuer, seq(moment(start), moment(end)), self.subject, info,
            der.put(0xA3, seq(*extensions)) if extensions else b"",
        )
        self.der = seq(body, by.algorithm(digest), der.put(der.BITS, b"\0" + by.sign(digest, body)))

    @property
    def pem(self):
        text = b64(self.der)
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def signer(common, key, above, extensions=None, **more):
    return Certificate(common, key, above, extensions=extensions or [usage(0), extended(stamp.TIME_STAMPING)], **more)


def authority_of(name):
    """A root by that key and a signer below it."""
    root = Certificate(name.capitalize(), Ec(f"tsa {name}", ec.SECP384R1), digest=SHA384)
    return signer("Stamps", Ec("tsa p-256"), root), root


def stamp_of(
    stamped, own, time, certificates=None, digest=SHA256, imprint=None, status=0, accuracy=b"", number=1, version=3, attributes=None, signer_version=1,
    content=None, by=None, signature=None, rsa_alone=False, twice=False, fraction="", nonce=b"", after=b"", certified=None, tail=b"", text=None, digest_oid=None,
):
    """A TimeStampResp. `time` is in seconds; `attributes` changes the signed ones by kind, and leaves out those that become None."""
    imprint = imprint or SHA256
    imprint_oid = OIDS.get(imprint, "1.3.14.3.2.26")
    text = text or datetime.fromtimestamp(time, timezone.utc).strftime("%Y%m%d%H%M%S") + fraction + "Z"
    if content is None:
        content = seq(
            integer(1), der.put_oid("1.3.6.1.4.1.99999.1"), seq(algorithm(imprint_oid), octets(stamp.digested(imprint, stamped))), integer(number),
            der.put(der.GENERALIZED, text.encode()), accuracy, nonce, tail,
        )
    certified = certified or own
    values = {
        stamp.CONTENT_TYPE: der.put_oid(stamp.TST_INFO),
        stamp.MESSAGE_DIGEST: octets(stamp.digested(digest, content)),
        stamp.SIGNING_CERTIFICATE_2: seq(seq(seq(octets(stamp.digested(SHA256, certified.der))))),
        **(attributes or {}),
    }
    signed = sorted(seq(der.put_oid(kind), der.put(der.SET, value)) for kind, value in values.items() if value)
    set_ = b"".join(signed)
    key = by or own.key
    named = seq(own.issuer, integer(own.serial)) if signer_version == 1 else der.put(0x80, own.key_id)
    digest_algorithm = algorithm(digest_oid or OIDS.get(digest, "1.3.14.3.2.26"))
    info = seq(
        integer(signer_version), named, digest_algorithm, der.put(0xA0, set_) if signed else b"",
        algorithm(stamp.RSA) if rsa_alone else key.algorithm(digest), octets(signature or key.sign(digest, der.put(der.SET, set_))), after,
    )
    chain = [own] if certificates is None else certificates
    data = seq(
        integer(version), der.put(der.SET, digest_algorithm), seq(der.put_oid(stamp.TST_INFO), der.put(0xA0, octets(content))),
        der.put(0xA0, *(one.der for one in chain)) if chain else b"", der.put(der.SET, info, info if twice else b""),
    )
    return answer(seq(der.put_oid(stamp.SIGNED_DATA), der.put(0xA0, data)), status)


def answer(token, status=0):
    return seq(seq(integer(status)), token)
