"""Makes tests/vectors/signatures: what the strict rule for Ed25519 accepts and refuses."""

from . import curve
from .common import ORDER, P, Key
from .vectors import write
from .world import seed


def run():
    cases = []

    def case(name, expect, key, message, signature):
        cases.append({"name": name, "expect": expect, "key": key.hex(), "message": message.hex(), "signature": signature.hex()})

    key = Key(seed("strict signatures"))
    message = b"Custodia"
    good = key.sign(message)
    s = int.from_bytes(good[32:], "little")
    case("ordinary", "ok", key.public, message, good)
    case("of-an-empty-message", "ok", key.public, b"", key.sign(b""))
    case("s-not-reduced", "Refused", key.public, message, good[:32] + (s + ORDER).to_bytes(32, "little"))
    case("s-of-zero", "Refused", key.public, message, good[:32] + bytes(32))
    case("s-is-the-order", "Refused", key.public, message, good[:32] + ORDER.to_bytes(32, "little"))
    case("r-changed", "Refused", key.public, message, bytes([good[0] ^ 1]) + good[1:])
    case("message-changed", "Refused", key.public, b"custodia", good)
    case("signature-of-63-bytes", "Refused", key.public, message, good[:63])
    # A key whose y is not reduced: no secret number is known for it, so only that it is refused can be shown.
    case("key-not-canonical", "Refused", (P + 3).to_bytes(32, "little"), message, good)
    case("signature-of-65-bytes", "Refused", key.public, message, good + b"\0")

    # R = 0·B + S·B with secret numbers of our own, so that A and R can have a part of small order.
    small = curve.small_order()
    secret, nonce = 0x123456789ABCDEF0123456789ABCDEF, 0xFEDCBA9876543210
    torsion = small[1]

    def mixed(name, expect, a_part, r_part, fits):
        """A signature whose A and R have parts of small order, over the first message whose challenge fits."""
        a = curve.encode(curve.add(curve.times(secret, curve.BASE), a_part))
        r = curve.encode(curve.add(curve.times(nonce, curve.BASE), r_part))
        for number in range(1000):
            text = b"message %d" % number
            k = curve.challenge(r, a, text)
            if fits(k):
                case(name, expect, a, text, r + ((nonce + k * secret) % ORDER).to_bytes(32, "little"))
                return

    mixed("mixed-order-key-that-fits-without-cofactor", "ok", torsion, curve.NEUTRAL, lambda k: k % 8 == 0)
    mixed("mixed-order-key-that-fits-only-with-cofactor", "Refused", torsion, curve.NEUTRAL, lambda k: k % 8 == 3)
    mixed("mixed-order-r-that-fits-only-with-cofactor", "Refused", curve.NEUTRAL, torsion, lambda k: True)
    mixed("mixed-order-key-and-r-that-fit-only-with-cofactor", "Refused", torsion, torsion, lambda k: k % 8 == 0)
    # −k·T = T' exactly: without cofactor it fits, though both are of mixed order.
    mixed("mixed-order-key-and-r-that-fit-without-cofactor", "ok", torsion, curve.times(1, torsion), lambda k: k % 8 == 7)

    # Every pair of encodings of small-order points, canonical or not, with S = 0: a verifier with cofactor takes them all.
    encodings = {}
    for number, point in enumerate(small):
        encodings[f"{number}"] = curve.encode(point)
        for sign in (0, 1):
            for y in (point[1], point[1] + P):
                data = (y | sign << 255).to_bytes(32, "little") if y < 1 << 255 else None
                if data and data not in encodings.values() and (y >= P or point[0] == 0):
                    encodings[f"{number}-otherwise-{sign}{'p' if y >= P else ''}"] = data
    for a_name, a in encodings.items():
        for r_name, r in encodings.items():
            case(f"small-order-a-{a_name}-r-{r_name}", "Refused", a, b"Zcash", r + bytes(32))
    write("signatures", "ed25519", "signatures under the strict rule of docs/spec/README.md: S and A canonical, neither A nor R of small order, no cofactor", cases)
