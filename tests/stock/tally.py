"""What a row of docs/STOCK-TOOLS.md is, and the tally of what it accepted and refused."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable


class Disagreed(Exception):
    """A tool refused what is good, or took what is spoiled."""


class Tally:
    """Counts what was accepted and refused as it should be; anything else is a disagreement."""

    def __init__(self, scene):
        self.accepted = self.refused = 0
        self.spoils = scene.folder / "spoiled"
        shutil.rmtree(self.spoils, ignore_errors=True)
        self.spoils.mkdir()

    def accept(self, *command, cwd=None):
        """A program says that it is good, by its exit code."""
        done = run(command, cwd)
        if done.returncode != 0:
            raise Disagreed(f"{words(command)} refused with {done.returncode}: {tail(done)}")
        self.accepted += 1
        return done.stdout

    def refuse(self, because, *command, cwd=None):
        """A program says that it is bad, and for the reason that was meant: one that stumbles over something else proves nothing."""
        done = run(command, cwd)
        if done.returncode == 0:
            raise Disagreed(f"{words(command)} accepted a spoiled copy")
        if because not in done.stdout + done.stderr:
            raise Disagreed(f"{words(command)} refused, but does not say {because!r}: {tail(done)}")
        self.refused += 1

    def takes(self, check, *arguments):
        """A library says that it is good, by not raising anything."""
        try:
            check(*arguments)
        except Exception as error:
            raise Disagreed(f"refused: {type(error).__name__}: {error}") from error
        self.accepted += 1

    def raises(self, kind, check, *arguments):
        """A library says that it is bad, by the error that was meant."""
        try:
            check(*arguments)
        except kind:
            self.refused += 1
            return
        raise Disagreed("accepted a spoiled copy")

    def same(self, said, wanted):
        """What was said of something good."""
        if said != wanted:
            raise Disagreed(f"{said!r} and not {wanted!r}")
        self.accepted += 1

    def differs(self, said, wanted):
        """What was said of something spoiled: the refusal that was meant."""
        if said != wanted:
            raise Disagreed(f"{said!r} and not {wanted!r}, of a spoiled copy")
        self.refused += 1

    def copy(self, path, name=None):
        """A copy of a file or folder, to be spoiled."""
        to = self.spoils / (name or f"{len(list(self.spoils.iterdir()))}-{path.name}")
        if path.is_dir():
            shutil.copytree(path, to)
        else:
            shutil.copyfile(path, to)
        return to

    def text(self, name, text):
        """A file made for a tool."""
        to = self.spoils / name
        to.write_text(text)
        return to


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    tool: str
    artefact: str
    asked: str
    spoiled: str
    check: Callable

    def judge(self, scene):
        """How many artefacts were accepted, how many spoiled ones refused; neither may be none."""
        tally = Tally(scene)
        self.check(scene, tally)
        if not tally.accepted or not tally.refused:
            raise Disagreed(f"nothing was judged: {tally.accepted} accepted, {tally.refused} refused")
        return tally.accepted, tally.refused


def run(command, cwd=None):
    return subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)


def words(command):
    return " ".join(Path(str(word)).name for word in command)[:200]


def tail(done):
    return (done.stdout + done.stderr)[-800:]


def flip(path, at):
    """Changes one bit of a file; `at` counts from the end if it is negative."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


def another(text):
    """Base64 or hexadecimal of the same length and another value."""
    return ("B" if text[0] == "A" else "A") + text[1:] if text[0] not in "0123456789abcdef" else ("0" if text[0] != "0" else "1") + text[1:]
