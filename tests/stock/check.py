"""Lets tools that this project did not write judge what a real run of ours leaves (DESIGN of the table: docs/STOCK-TOOLS.md).

A row accepts what is good and refuses a spoiled copy of it: a tool that accepts everything proves nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import member  # noqa: E402
import rows  # noqa: E402
from scene import Scene  # noqa: E402
from tally import Disagreed  # noqa: E402

ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
PAGE = ROOT / "docs" / "STOCK-TOOLS.md"
BEGIN, END = "<!-- rows: tests/stock/check --write -->", "<!-- end of rows -->"


def table():
    """The rows as they stand in the page."""
    lines = ["| tool | artefact | what it is asked | spoiled copies, each refused |", "| --- | --- | --- | --- |"]
    return "\n".join(lines + [f"| {row.tool} | {row.artefact} | {row.asked} | {row.spoiled} |" for row in rows.ROWS])


def page(write):
    """The page names exactly the rows that are checked."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if write:
        PAGE.write_text(wanted)
    elif text != wanted:
        raise SystemExit(f"{PAGE} does not show the rows that are checked: run tests/stock/check --write")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=TARGET / "release" / "custodia", help="the custodia that is judged")
    parser.add_argument("--write", action="store_true", help="only put the list of rows into docs/STOCK-TOOLS.md")
    parser.add_argument("--only", default="", help="only rows whose tool or artefact holds this text")
    parser.add_argument("--keep", type=Path, help="an empty folder for what the run leaves")
    options = parser.parse_args()
    page(options.write)
    if options.write:
        return
    with tempfile.TemporaryDirectory(prefix="custodia-stock-") as place:
        folder = options.keep.resolve() if options.keep else Path(place)
        folder.mkdir(exist_ok=True)
        scene = Scene(options.program.resolve(), folder)
        try:
            judge(scene, options.only)
        finally:
            scene.close()


def judge(scene, only):
    """Plays the run and then every row; a line for each."""
    begun = time.monotonic()
    for step in (scene.offices, scene.people, scene.case, lambda: member.takes_part(scene), scene.dossier):
        step()
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    print(f"the run: {time.monotonic() - begun:.0f} s", flush=True)
    wrong = 0
    for row in rows.ROWS:
        if only not in f"{row.tool} {row.artefact}":
            continue
        begun = time.monotonic()
        try:
            accepted, refused = row.judge(scene)
            said = f"accepted ({accepted}), spoiled refused ({refused})"
        except Disagreed as error:
            wrong += 1
            said = f"DISAGREES: {error}"
        print(f"{row.tool}, {row.artefact}, {said}  [{time.monotonic() - begun:.1f} s]", flush=True)
    if wrong:
        raise SystemExit(f"{wrong} of the tools disagree")


main()
