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
