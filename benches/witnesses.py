"""From an acknowledged append to a checkpoint that a quorum of witnesses has cosigned."""

import http.client
import json
import random
import re
import shutil
import socket
import statistics
import time

import contest
from vault import Vault

QUORUM = 2


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Witness:
    """A `custodia witness` of its own."""

    def __init__(self, custodia, folder, name):
        self.folder, self.name, self.port = folder / name, f"witness.example/{name}", free_port()
        self.line = contest.program([str(custodia), "witness", "key", str(self.folder), "--name", self.name])[1].strip().split("\n")[-1]
        self.custodia = custodia

    def serve(self, logs):
        self.process = contest.Background(
            [str(self.custodia), "witness", "serve", "--key", str(self.folder / "witness.key"), "--state", str(self.folder / "state"),
             "--listen", f"127.0.0.1:{self.port}", "--logs", str(logs)], self.folder / "log")


class Silent:
    """Somebody who takes connections and never answers, in the place of a witness."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]


def times(custodia, folder, every, appends, silent):
    """Seconds from the answer to an append until the server gives out a checkpoint with it that the quorum cosigned."""
    witnesses = [Witness(custodia, folder, f"w{number}") for number in range(3)]
    mute = Silent()

    def change(config):
        vkey = json.loads((folder / "vault" / "server" / "server.json").read_text())["log_key"]
        logs, policy = folder / "logs", folder / "policy"
        logs.write_text(f"log {vkey}\nquorum none\n")
        ports = [witness.port for witness in witnesses]
        if silent:
            ports[-1] = mute.port
        lines = [f"{witness.line} http://127.0.0.1:{port}" for witness, port in zip(witnesses, ports)]
        policy.write_text("\n".join([f"log {vkey}", *lines, f"group g {QUORUM} " + " ".join(witness.name for witness in witnesses), "quorum g", ""]))
        for witness in witnesses:
            witness.serve(logs)
        return config + f'\n[witnesses]\npolicy = "{policy}"\nevery_seconds = {every}\ntimeout_seconds = 1\n'

    vault = Vault(custodia, folder / "vault", change)
    taken = []
    try:
        exhibit = vault.add(folder / "vault" / "form.toml")[1]
        chance = random.Random(every)
        for number in range(appends):
            # Somewhere within the interval.
            time.sleep(every * chance.random())
            lift = ["--lift"] if number % 2 else []
            said = vault.run(["exhibit", "hold", "Bench", exhibit, *lift, "--reason", "Measuring", "--json"], "joost")
            begun = time.monotonic()
            index = int(re.search(r'"record":\s*(\d+)', said)[1])
            link = http.client.HTTPConnection(vault.address)
            while True:
                link.request("GET", f"/v1/log/kept?at_least={index + 1}&with=cosignature")
                answer = link.getresponse()
                body = answer.read()
                if answer.status == 200 and json.loads(body)["checkpoint"].count("— witness.example/") >= QUORUM:
                    break
                if time.monotonic() - begun > 60:
                    raise SystemExit(f"no quorum after a minute: {answer.status} {body[:500]}")
                time.sleep(0.005)
            taken.append(time.monotonic() - begun)
    finally:
        vault.stop()
        for witness in witnesses:
            witness.process.stop()
    return taken


def measure(options):
    custodia = contest.product()
    lines = [f"**Seconds from the answer to an append until a checkpoint that includes it has {QUORUM} of 3 cosignatures**", "",
             "| asked every | appends | median | 90 of 100 within | longest | median / half of the interval |", "| --- | --- | --- | --- | --- | --- |"]
    for every, silent, appends in [(1, False, 40), (1, True, 40), (10, False, 15)]:
        appends = min(appends, 6) if options.small else appends
        folder = contest.folder()
        try:
            taken = sorted(times(custodia, folder, every, appends, silent))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        middle = statistics.median(taken)
        name = f"{every} s" + (", one of the three takes connections and never answers (given up after 1 s)" if silent else "")
        lines.append(f"| {name} | {appends} | {middle:.2f} | {taken[int(appends * 0.9)]:.2f} | {taken[-1]:.2f} | {middle / (every / 2):.2f} |")
    return ["\n".join(lines) + "\n"]
