"""The one-page verifier in Chromium beside the binary and beside nothing but a digest."""

import re
import shutil
import statistics

import contest
from contest import program
from sealing import write_large
from vault import Vault

PAGE = contest.ROOT / "page"


def in_chromium(dossier, trust):
    """Seconds from the moment when the dossier is given to the page until the page shows its verdict."""
    said = program(["node", "tests/measure.mjs", str(dossier), str(trust), "1"], cwd=PAGE)[1]
    verdict, seconds = re.search(r"(?m)^(\w+): ([0-9.]+) s", said).groups()
    if verdict != "INDETERMINATE":
        raise SystemExit(f"the page said {verdict} of a dossier whose trust file demands no cosignature")
    return float(seconds)


def measure(options):
    folder = contest.folder()
    custodia = contest.product()
    program(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PAGE)
    megabytes = 100 if options.small else 1000
    vault = Vault(custodia, folder / "vault")
    try:
        source, dossier = folder / "large.bin", folder / "dossier.zip"
        write_large(source, megabytes * 1_000_000 // (1 << 20))
        vault.dossier(vault.add(source)[1], dossier)
        trust = vault.trust()
        verify = contest.TARGET / "release" / "custodia-verify"
        wall = lambda command: lambda: program(command)[0].wall
        contenders = [
            ("the page in Chromium", "from the dossier chosen to the verdict shown", lambda: in_chromium(dossier, trust)),
            ("custodia-verify", "the whole command; the same checks", wall(f"{verify} {dossier} --trust {trust} > /dev/null; test $? -le 3")),
            ("sha256sum", "of coreutils, the ZIP as one file", wall(f"sha256sum {dossier}")),
            ("openssl sha256", "SHA-256 at the speed of the machine's instructions", wall(f"openssl dgst -sha256 {dossier}")),
        ]
        taken = {name: [] for name, _, _ in contenders}
        for turn in range(options.rounds or 3):
            for name, _, act in contenders[turn % 4:] + contenders[:turn % 4]:
                contest.prime(dossier)
                contest.quiet()
                taken[name].append(act())
                print(f"  round {turn + 1}: {name}: {taken[name][-1]:.2f} s", flush=True)
        size = dossier.stat().st_size / 1e6
        own = statistics.median(taken["the page in Chromium"])
        lines = [f"**A dossier of {megabytes} MB**", "", "| contender | seconds | MB a second | page / this | what it does |", "| --- | --- | --- | --- | --- |"]
        for name, note, _ in contenders:
            middle = statistics.median(taken[name])
            ratio = "" if middle == own else f"{own / middle:.2f}"
            lines.append(f"| {name} | {contest.middle(taken[name])} | {size / middle:.0f} | {ratio} | {note} |")
        return ["\n".join(lines) + "\n"]
    finally:
        vault.stop()
        shutil.rmtree(folder, ignore_errors=True)
