"""Judges tests/vectors/dossier."""

import tomllib

from . import dossier
from .vectors import FOLDER, load


def run(report):
    good = bad = 0
    for case in load("dossier/cases.json")["cases"]:
        data = (FOLDER / "dossier" / case["dossier"]).read_bytes()
        verdict, first, findings = dossier.judge(data, dossier.Trust(tomllib.loads(case["trust"])))
        good, bad = good + (case["expect"] == "PASSED"), bad + (case["expect"] != "PASSED")
        stood = [finding for finding in findings if finding[1] != "passed"]
        if (verdict, first) != (case["expect"], case["first"]):
            report.faults.append(f"dossier/{case['name']}: {verdict} by {first}, not {case['expect']} by {case['first']}: {stood}")
        elif report.verbose:
            print(f"dossier/{case['name']}: {verdict}", stood)
    report.count("dossier/cases.json", good, bad)
