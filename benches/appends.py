"""Durable appends through HTTP, beside single-row commits of the same database by as many clients."""

import os
import pwd
import shutil
import socket

import contest
import load

POSTGRES = "/usr/lib/postgresql/15/bin"


class Postgres:
    """A cluster of its own that flushes every commit, as one in production does; the one of the tests does not."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        os.chmod(folder.parent, 0o755)
        self.user = []
        if os.getuid() == 0:
            postgres = pwd.getpwnam("postgres")
            os.chown(folder, postgres.pw_uid, postgres.pw_gid)
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.run(["initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
        self.run(["pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-s", "-w", "-o",
                  f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=on -c synchronous_commit=on -c max_connections=200", "start"])
        for name in ["ours", "raw"]:
            self.run(["createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name])

    def run(self, words):
        contest.program([*self.user, f"{POSTGRES}/{words[0]}", *words[1:]])

    def url(self, name):
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self.run(["pg_ctl", "-D", f"{self.folder}/data", "-s", "-m", "fast", "stop"])


def rows(title, lines):
    out = [f"**{title}**", "", "| clients | our acts a second | single-row commits a second | ours / commits | our median ms | our p99 ms | commit median ms |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for clients in [1, 16, 64]:
        ours = [line for line in lines if line["kind"] == "ours" and line["clients"] == clients]
        raw = [line for line in lines if line["kind"] == "raw" and line["clients"] == clients]
        out.append(f"| {clients} | {load.middle(ours, 'per_second')} | {load.middle(raw, 'per_second')} | {load.ratio(ours, raw, 'per_second'):.2f} | "
                   f"{load.middle(ours, 'p50', '{:.1f}')} | {load.middle(ours, 'p99', '{:.1f}')} | {load.middle(raw, 'p50', '{:.1f}')} |")
    peak = next(line["peak"] for line in lines if line["kind"] == "server")
    return "\n".join(out) + f"\n\nThe server's peak was {peak} MiB. Clients and server share the machine.\n"


def measure(options):
    contest.need({"postgresql-15": f"{POSTGRES}/initdb"})
    rounds, seconds = str(options.rounds or (1 if options.small else 3)), "2" if options.small else "8"
    common = ["appends", "--rounds", rounds, "--seconds", seconds, "--program", str(contest.TARGET / "release" / "custodia")]
    folder = contest.folder()
    try:
        sqlite = load.figures([*common, "--beside", f"sqlite:{folder}/raw.sqlite?mode=rwc"])
        postgres = Postgres(folder / "postgres")
        try:
            on_postgres = load.figures([*common, "--database", postgres.url("ours"), "--beside", postgres.url("raw")])
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [rows("SQLite (WAL, synchronous=FULL)", sqlite), rows("PostgreSQL 15 (fsync and synchronous_commit on)", on_postgres)]
