"""docs/spec/identity.md section 2.3: HPKE, mode base, X-Wing, HKDF-SHA384, AES-256-GCM. The KEM's two halves and the AEAD are pyca's."""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .common import Refused, need

SUITE = b"HPKE" + bytes.fromhex("647a00020002")
ENC = 1120
LABEL = bytes.fromhex("5c2e2f2f5e5c")


def _hmac(key, data):
    mac = hmac.HMAC(key, hashes.SHA384())
    mac.update(data)
    return mac.finalize()


def _extract(salt, label, ikm):
    return _hmac(salt, b"HPKE-v1" + SUITE + label + ikm)


def _expand(prk, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + info
    return _hmac(prk, info + b"\x01")[:length]


def _halves(seed):
    wide = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(wide[:64]), X25519PrivateKey.from_private_bytes(wide[64:])


def public_key(seed):
    """1216 bytes."""
    return b"".join(half.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for half in _halves(seed))


def _schedule(shared, info):
    context = b"\0" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    secret = _extract(shared, b"secret", b"")
    return _expand(secret, b"key", context, 32), _expand(secret, b"base_nonce", context, 12)


def _combine(mlkem, x25519, ct, pk):
    return hashlib.sha3_256(mlkem + x25519 + ct + pk + LABEL).digest()


def open_base(seed, sealed, info, aad=b""):
    need(len(sealed) >= ENC + 16, "too short for enc and a tag")
    enc, ciphertext = sealed[:ENC], sealed[ENC:]
    mlkem, x25519 = _halves(seed)
    own = x25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = _combine(mlkem.decapsulate(enc[:1088]), x25519.exchange(X25519PublicKey.from_public_bytes(enc[1088:])), enc[1088:], own)
    key, nonce = _schedule(shared, info)
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise Refused("does not open") from None


def seal_base(public, plaintext, info, aad=b""):
    """Random: what is made is kept in a vector, and not made again."""
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

    secret, ct = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    if len(secret) != 32:
        secret, ct = ct, secret
    ephemeral = X25519PrivateKey.generate()
    point = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = _combine(secret, ephemeral.exchange(X25519PublicKey.from_public_bytes(public[1184:])), point, public[1184:])
    key, nonce = _schedule(shared, info)
    return ct + point + AESGCM(key).encrypt(nonce, plaintext, aad)
