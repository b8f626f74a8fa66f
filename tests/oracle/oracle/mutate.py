"""Small changes of bytes, texts and JSON, drawn from a seeded generator: what damages a value without regard to what it means."""

import json

from .common import compact

TRICKY = ["\u0000", " ", "\t", "\n", "\r\n", "\u00a0", "\ufeff", "\u202e", "\u2028", "é", "e\u0301", "Ș", "😀", "\"", "\\", "/", "..", "=", "+", "-", "0", "1", "A", "a", "f", "F", "g", "Z", "z"]
SCALARS = [
    None, True, False, 0, 1, 2, -1, 255, 1 << 31, 1 << 32, (1 << 48) + 1, (1 << 53) - 1, 1 << 53, 1 << 63, 1 << 64, 10**30, "", " ", "0", "null", "H1", "H2", "H3",
    "refused", "2026-02-30", "2026-06-01", "9999-12-31", "2026-06-01T12:00:00Z", "2026-06-01T24:00:00Z", "2026-06-01T12:00:60Z", "2026-06-01t12:00:00z",
    "00" * 16, "ff" * 16, "00" * 32, "FF" * 32, "ab" * 31, "trial", "prosecution", "view", [], {}, [[]], [None],
]


def some_bytes(rng, data):
    """Another value of bytes: never the same."""
    out = bytearray(data)
    how = rng.choice(["flip", "flip", "flip", "set", "insert", "cut", "drop", "double", "swap", "zero"] if data else ["insert"])
    at = rng.randrange(len(out) + 1) if how == "insert" else rng.randrange(len(out))
    length = min(len(out) - at, rng.choice([1, 1, 2, 4, 16, 64]))
    match how:
        case "flip":
            out[at] ^= 1 << rng.randrange(8)
        case "set":
            out[at] = rng.choice([0, 0x0A, 0x20, 0x2B, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        case "insert":
            out[at:at] = bytes(rng.choice([0, 0x0A, 0x20, rng.randrange(256)]) for _ in range(rng.choice([1, 1, 2, 8])))
        case "cut":
            del out[at:]
        case "drop":
            del out[at : at + length]
        case "double":
            out[at:at] = out[at : at + length]
        case "swap":
            other = rng.randrange(len(out))
            out[at], out[other] = out[other], out[at]
        case "zero":
            out[at : at + length] = bytes(length)
    return bytes(out) if bytes(out) != data else some_bytes(rng, data)


def some_text(rng, text):
    """Another text, most often of the same kind: a digit for a digit, a capital for a small letter."""
    how = rng.choice(["near", "near", "case", "insert", "drop", "double", "tricky", "end", "blank", "swap"] if text else ["insert"])
    at = rng.randrange(len(text)) if text else 0
    one = text[at : at + 1]
    match how:
        case "near":
            kinds = ["0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
            of = next((kind for kind in kinds if one in kind), "0123456789abcdef-_+/= ")
            changed = text[:at] + rng.choice(of) + text[at + 1 :]
        case "case":
            changed = text.upper() if rng.random() < 0.3 else text[:at] + one.swapcase() + text[at + 1 :]
        case "insert":
            changed = text[:at] + rng.choice(TRICKY) + text[at:]
        case "drop":
            changed = text[:at] + text[at + rng.choice([1, 1, 2, 8]) :]
        case "double":
            changed = text[:at] + one + text[at:]
        case "tricky":
            changed = text[:at] + rng.choice(TRICKY) + text[at + 1 :]
        case "end":
            changed = text + rng.choice(TRICKY)
        case "blank":
            changed = rng.choice(["", " ", text.strip() + " ", " " + text])
        case "swap":
            changed = text[:at] + text[at + 1 : at + 2] + one + text[at + 2 :]
    return changed if changed != text else some_text(rng, text)


def places(value, path=()):
    """Every place of a JSON value, the whole first."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def get(value, path):
    for key in path:
        value = value[key]
    return value


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


def some_value(rng, value):
    """Another JSON value, changed in one place; members keep their order unless that is the change."""
    path = rng.choice(list(places(value)))
    old = get(value, path)
    if isinstance(old, dict) and old and rng.random() < 0.8:
        new = dict(old)
        key = rng.choice(list(old))
        how = rng.choice(["drop", "drop", "add", "order", "rename"])
        if how == "drop":
            del new[key]
        elif how == "add":
            new[rng.choice(["extra", "v", "seen", "exhibit", "", "__proto__", "constructor", "Version"])] = rng.choice(SCALARS)
        elif how == "order":
            items = list(new.items())
            rng.shuffle(items)
            new = dict(items)
        else:
            new = {some_text(rng, name) if name == key else name: one for name, one in new.items()}
    elif isinstance(old, list) and rng.random() < 0.8:
        new = list(old)
        at = rng.randrange(len(new) + 1)
        how = rng.choice(["add", "drop", "double", "order"])
        if how == "add" or not old:
            new.insert(at, rng.choice(SCALARS))
        elif how == "drop":
            del new[min(at, len(new) - 1)]
        elif how == "double":
            new.insert(at, new[min(at, len(new) - 1)])
        else:
            rng.shuffle(new)
    elif isinstance(old, str) and rng.random() < 0.75:
        new = some_text(rng, old)
    elif isinstance(old, int) and not isinstance(old, bool) and rng.random() < 0.75:
        new = old + rng.choice([1, -1, 1, -1, 2, 256, 1 << 32, 1000, -1000])
    else:
        new = rng.choice(SCALARS)
    same = compact(new) == compact(old) and type(new) is type(old)
    return some_value(rng, value) if same else put(value, path, new)


def some_json(rng, text):
    """Another text of JSON: another value, or the same value written as nobody may write it."""
    value = json.loads(text)
    if rng.random() < 0.8:
        return compact(some_value(rng, value))
    how = rng.choice(["space", "escape", "twice", "number", "after", "text", "bom"])
    match how:
        case "space":
            at = rng.choice([at for at, one in enumerate(text) if one in ",:[]{}"] or [0])
            return text[: at + 1] + rng.choice([" ", "\n", "\t"]) + text[at + 1 :]
        case "escape":
            at = rng.choice([at for at, one in enumerate(text) if one.isalnum()] or [0])
            return text[:at] + rng.choice([f"\\u{ord(text[at]):04x}", f"\\u{ord(text[at]):04X}", "\\/", "\\" + text[at]]) + text[at + 1 :]
        case "twice":
            at = text.find(",", rng.randrange(len(text)))
            start = text.rfind('"', 0, max(text.find('":'), 0))
            member = text[start : text.find(",", start)] if start >= 0 else '"v":1'
            return text[: at + 1] + member + "," + text[at + 1 :] if at > 0 else text + text
        case "number":
            at = rng.choice([at for at, one in enumerate(text) if one.isdigit()] or [0])
            return text[: at + 1] + rng.choice([".0", "e0", "E+0", "0"]) + text[at + 1 :]
        case "after":
            return text + rng.choice(["\n", " ", "{}", ",", "\u0000"])
        case "bom":
            return "\ufeff" + text
        case "text":
            return some_text(rng, text)


def json_or_bytes(rng, data):
    """Changes bytes that may be JSON, one value a line or one in all, most often as JSON."""
    lines = data.split(b"\n")
    if rng.random() < 0.75:
        try:
            at = rng.choice([number for number, line in enumerate(lines) if line[:1] in (b"{", b"[")])
            lines[at] = some_json(rng, lines[at].decode()).encode("utf-8", "surrogatepass")
            return b"\n".join(lines)
        except (IndexError, ValueError):
            pass
    if rng.random() < 0.3 and len(lines) > 2:
        how = rng.choice(["drop", "double", "swap", "end"])
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        if how == "drop":
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[other])
        elif how == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines = lines[:-1] if lines[-1] == b"" else [*lines, b""]
        changed = b"\n".join(lines)
        if changed != data:
            return changed
    return some_bytes(rng, data)
