"""Runs the bench program (benches/load) and gathers its figures."""

import json
import statistics

import contest


def figures(words):
    """The lines that it prints."""
    contest.product()
    said = contest.program([str(contest.TARGET / "release" / "custodia-bench"), *words])[1]
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def middle(lines, key, form="{:.0f}"):
    return contest.middle([line[key] for line in lines], form)


def ratio(ours, theirs, key):
    return statistics.median(line[key] for line in ours) / statistics.median(line[key] for line in theirs)
