"""Judges tests/vectors/stamps."""

from . import log, stamp
from .common import Refused, unb64
from .vectors import load


def worth(case, checkpoint, roots):
    pinned = [root for name in case["roots"] for root in stamp.roots(roots[name])]
    try:
        earliest, latest = stamp.Stamp(unb64(case["stamp"])).judge(checkpoint.encode(), pinned)
    except stamp.CountsForNothing as refused:
        return "counts-for-nothing", str(refused)
    except Refused as refused:
        return "fails", str(refused)
    told = (earliest, latest) == (case.get("earliest", earliest), case.get("latest", latest))
    return "genuine" if told else f"another time: {earliest} to {latest}", ""


def run(report):
    for name in ("cases", "openssl"):
        file = load(f"stamps/{name}.json")
        log.verified_checkpoint(file["checkpoint"].encode(), [log.log_key(file["log"])])
        good = 0
        for case in file["cases"]:
            found, why = worth(case, file["checkpoint"], file["roots"])
            good += case["expect"] == "genuine"
            if found != case["expect"]:
                report.faults.append(f"stamps/{name}: {case['name']}: {found} {why}, not {case['expect']}")
            elif report.verbose:
                print(f"stamps/{name}: {case['name']}: {found} {why}")
        report.count(f"stamps/{name}.json", good, len(file["cases"]) - good)
