"""Reads vector files and judges their cases: what is `ok` is accepted, the rest is refused, with the reason in this implementation's words."""

import json
import pathlib

from .common import Refused

FOLDER = pathlib.Path(__file__).parents[2] / "vectors"


def load(name):
    return json.loads((FOLDER / name).read_text())


class Report:
    def __init__(self, verbose):
        self.verbose, self.faults, self.files = verbose, [], {}

    def count(self, file, good, bad):
        before = self.files.get(file, (0, 0))
        self.files[file] = (before[0] + good, before[1] + bad)


def judge(report, file, cases, check, expect="expect"):
    """`check` raises Refused for what it refuses, and AssertionError where good input gives another answer than the file's."""
    good = 0
    for case in cases:
        name, wanted = case.get("name", "?"), case[expect] in ("ok", "good")
        good += wanted
        try:
            check(case)
            answer = None
        except Refused as refused:
            answer = str(refused)
        except AssertionError as fault:
            report.faults.append(f"{file}: {name}: another answer: {fault}")
            continue
        if report.verbose and answer:
            print(f"{file}: {name}: {answer}  [{case[expect]}]")
        if wanted and answer:
            report.faults.append(f"{file}: {name}: refused here: {answer}")
        if not wanted and not answer:
            report.faults.append(f"{file}: {name}: accepted here, and it should be {case[expect]}")
    report.count(file, good, len(cases) - good)


# Writing.

MADE = {}


def write(folder, name, what, cases):
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), [one for one in names if names.count(one) > 1]
    keep(f"{folder}/{name}.json", (json.dumps({"what": what, "cases": cases}, indent=1, ensure_ascii=False) + "\n").encode())


def keep(name, data):
    MADE[FOLDER / name] = data


def finish(compare):
    """Writes what was made, or counts the files that differ from it."""
    differ = [path for path, data in MADE.items() if not path.exists() or path.read_bytes() != data]
    for path in differ:
        print("differs:" if compare else "written:", path.relative_to(FOLDER))
        if not compare:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(MADE[path])
    return bool(compare and differ)
