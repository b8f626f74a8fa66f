"""Sizes and times: builds, packages, programs, bytes on the wire."""

import re
import shutil

import contest
from contest import program
from vault import Vault


def builds(options):
    """A clean build into a folder of its own, then one after a change in the crate on which all others stand, and one in the uppermost; as a developer
    builds. A small run leaves it out."""
    if options.small:
        return []
    folder = contest.folder()
    try:
        build = ["cargo", "build", "--workspace", "--locked", "--target-dir", str(folder)]
        rows = [("clean build", program(build, cwd=contest.ROOT)[0])]
        for name, path in [("after a change in core", "crates/core/src/lib.rs"), ("after a change in cli", "crates/cli/src/main.rs")]:
            (contest.ROOT / path).touch()
            rows.append((f"build {name}", program(build, cwd=contest.ROOT)[0]))
        table = "**Builds** (`cargo build --workspace`)\n\n| what | seconds | of processors |\n| --- | --- | --- |\n"
        return [table + "".join(f"| {name} | {spent.wall:.0f} | {spent.cpu:.0f} |\n" for name, spent in rows)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def packages():
    rows = []
    for name in ["custodia-verify", "custodia-core", "custodia-client", "custodia-server", "custodia-cli"]:
        said = program(["cargo", "tree", "-p", name, "-e", "normal", "--prefix", "none", "--locked"], cwd=contest.ROOT)[1]
        found = {" ".join(line.split()[:2]) for line in said.splitlines() if re.match(r"\S+ v\d", line)}
        rows.append((name, len([one for one in found if not one.startswith("custodia-")])))
    size = lambda name: (contest.TARGET / "release" / name).stat().st_size / (1 << 20)
    return ("**Packages and programs**\n\n| crate | third-party packages |\n| --- | --- |\n" + "".join(f"| {name} | {count} |\n" for name, count in rows) +
            f"\n`custodia` (agent, server, office, verifier) has {size('custodia'):.1f} MiB, `custodia-verify` {size('custodia-verify'):.1f} MiB.\n")


def wire():
    """What commands send and receive, as loopback counts it while nothing else uses it; TCP's own bytes are in it."""
    def counted():
        fields = next(line for line in open("/proc/net/dev") if line.strip().startswith("lo:")).split(":")[1].split()
        return int(fields[0])

    folder = contest.folder()
    vault = Vault(contest.product(), folder / "vault")
    try:
        source = folder / "chat.txt"
        source.write_text("a line of a chat\n" * 6000)
        rows, exhibit = [], []

        def note(name, work):
            before = counted()
            said = work()
            rows.append((name, counted() - before))
            return said

        exhibit.append(note(f"take in an exhibit of {source.stat().st_size} bytes", lambda: vault.add(source)[1]))
        one = exhibit[0]
        note("open it", lambda: vault.run(["exhibit", "open", "Bench", one, "--file", "chat.txt", "--purpose", "trial", "--reason", "Measuring"], "joost"))
        note("look at its chain", lambda: vault.run(["exhibit", "show", "Bench", one], "joost"))
        note("place a hold", lambda: vault.run(["exhibit", "hold", "Bench", one, "--reason", "Measuring"], "joost"))
        note("be up to date", lambda: vault.run(["device", "sync"], "joost"))
        return "**Bytes on the wire**, both ways, for a whole command with all that it asks the server\n\n| command | bytes |\n| --- | --- |\n" + "".join(f"| {name} | {count} |\n" for name, count in rows)
    finally:
        vault.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(options):
    contest.product()
    return [*builds(options), packages(), wire()]
