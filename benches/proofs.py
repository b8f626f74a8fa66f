"""What a dossier carries so that a court need not ask anybody: sizes by the length of an exhibit's chain, and what verifying them takes."""

import shutil
import zipfile

import contest
import load
from contest import program

PARTS = [
    ("records", lambda name: name.endswith("chain.ndjson")),
    ("proofs", lambda name: name.endswith(".proof")),
    ("registry and checkpoints", lambda name: "registry.ndjson" in name or "/checkpoint" in name),
    ("reason keys", lambda name: name.endswith("reasons.json")),
]


def measure(options):
    folder = contest.folder()
    contest.product()
    sizes = [10, 100] if options.small else [10, 1000, 100_000]
    try:
        lines = load.figures(["proofs", "--into", str(folder), "--sizes", ",".join(map(str, sizes))])
        verify = contest.TARGET / "release" / "custodia-verify"
        head = " | ".join(name for name, _ in PARTS)
        table = [f"**Dossiers of digests of one exhibit, in bytes**", "",
                 f"| records of the chain | of the log | {head} | proof, a record | whole | made in s | `custodia-verify` s | peak MiB |",
                 "| --- " * (len(PARTS) + 7) + "|"]
        for line in lines:
            with zipfile.ZipFile(line["dossier"]) as dossier:
                entries = dossier.infolist()
            parts = [sum(entry.file_size for entry in entries if belongs(entry.filename)) for _, belongs in PARTS]
            spent = program(f"{verify} {line['dossier']} --trust {folder}/trust.toml > /dev/null; test $? -le 3")[0]
            table.append(f"| {line['records']} | {line['tree']} | " + " | ".join(map(str, parts))
                         + f" | {parts[1] / line['records']:.0f} | {sum(entry.file_size for entry in entries)} | {line['making_seconds']:.2f} | {spent.wall:.2f} | {spent.peak:.0f} |")
        return ["\n".join(table) + "\n"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
