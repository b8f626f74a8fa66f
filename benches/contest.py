"""Contenders that take turns, and the tables of what they needed."""

import datetime
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
TOOLS = TARGET / "tools" / "bin"
PAGE = ROOT / "docs" / "BENCHMARKS.md"


class Spent:
    """What one turn took: seconds of the clock, seconds of processors, most memory in MiB."""

    def __init__(self, wall, cpu, peak):
        self.wall, self.cpu, self.peak = wall, cpu, peak


def program(command, env=None, stdin=None, cwd=None):
    """Runs a program (a list of words, or a line for the shell) to its end; what it says is kept for the case that it fails."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            command, shell=isinstance(command, str), env={**os.environ, **(env or {})}, cwd=cwd,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, stdout=said, stderr=said)
        if stdin is not None:
            try:
                process.stdin.write(stdin.encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{text[-3000:]}")
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


class Background:
    """A server for as long as a bench needs it."""

    def __init__(self, command, log, env=None):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def cpu(self):
        """Seconds of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        """The most memory so far, in MiB."""
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def forget_peak(self):
        """Lets the most memory count from now on."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()


class Contender:
    """One way to do a job. `turn` does it and gives what it took; `before` makes it possible and `after` clears away, neither of them timed."""

    def __init__(self, name, note, turn, before=lambda: None, after=lambda: None):
        self.name, self.note, self.turn, self.before, self.after = name, note, turn, before, after
        self.spent = []


def prime(path):
    """Brings files into the page cache."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    for one in files:
        with open(one, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def quiet():
    """Lets the disk finish what earlier turns left behind."""
    os.sync()
    time.sleep(0.2)


def take_turns(contenders, rounds, inputs=()):
    """Every contender once in each round, in an order that moves on from round to round."""
    for turn in range(rounds):
        for contender in contenders[turn % len(contenders):] + contenders[:turn % len(contenders)]:
            contender.before()
            for path in inputs:
                prime(path)
            quiet()
            contender.spent.append(contender.turn())
            contender.after()
            print(f"  round {turn + 1}: {contender.name}: {contender.spent[-1].wall:.2f} s, {contender.spent[-1].cpu:.2f} s of processors", flush=True)


def middle(values, form="{:.2f}"):
    """Median, and the fastest and slowest behind it."""
    return f"{form.format(statistics.median(values))} ({form.format(min(values))}–{form.format(max(values))})"


def table(title, contenders, ours):
    """Rows of contenders. The ratio is how many times the peer's time ours is: below 1 is faster than the peer."""
    own = statistics.median(spent.wall for spent in next(one for one in contenders if one.name == ours).spent)
    lines = [f"**{title}**", "", "| contender | seconds | of processors | peak MiB | ours / this | what it does |", "| --- | --- | --- | --- | --- | --- |"]
    for one in contenders:
        wall = [spent.wall for spent in one.spent]
        ratio = "" if one.name == ours else f"{own / statistics.median(wall):.2f}"
        peak = max(spent.peak for spent in one.spent)
        lines.append(f"| {one.name} | {middle(wall)} | {statistics.median(spent.cpu for spent in one.spent):.2f} | "
                     f"{f'{peak:.0f}' if peak else ''} | {ratio} | {one.note} |")
    return "\n".join(lines) + "\n"


def machine():
    """One line on where and when a table was measured."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)[1]
    load = Path("/proc/loadavg").read_text().split()[0]
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) // (1 << 20)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"_{now}, commit {commit}, {os.cpu_count()} processors ({model}), {memory} GiB; load over the last minute {load}._\n"


def put_into_page(name, text):
    """Replaces the tables of one bench in the page."""
    page = PAGE.read_text()
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, rest = page.split(begin)
    PAGE.write_text(before + begin + text + end + rest.split(end)[1])


def folder():
    """A folder for a bench's own files; the caller takes it away."""
    return Path(tempfile.mkdtemp(prefix="custodia-bench-"))


def need(packages, crates=()):
    """Installs what is missing: Debian packages by the programs that they bring, crates into the target's tools."""
    missing = [package for package, brings in packages.items() if not shutil.which(brings)]
    if missing:
        program(["apt-get", "install", "-y", "--no-install-recommends", *missing])
    for crate, brings in crates:
        if not (TOOLS / brings).exists():
            program(["cargo", "install", crate, "--locked", "--root", str(TOOLS.parent)])


AS_BUILT = False


def product():
    """Builds the product as it is delivered, and gives the path of its program."""
    if not AS_BUILT:
        program(["cargo", "build", "--release", "--workspace", "--locked"], cwd=ROOT)
    return TARGET / "release" / "custodia"
