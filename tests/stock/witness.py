"""A foreign witness (PyPI aics-witness) at work: our log's checkpoints by C2SP add-checkpoint, and its cosignature judged by our verifier."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

WITNESS = Path(sys.prefix) / "bin" / "aics-witness"


class Witness:
    """The foreign program, with its key and its memory in a folder, until `close`."""

    def __init__(self, folder, name, origin, vkey):
        folder.mkdir()
        self.config = ["--config", str(folder / "witness.json")]
        self.vkey = self.run("init", "--name", name).split()[-1]
        self.run("add-log", "--origin", origin, "--vkey", vkey)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(folder / "witness.log", "wb")
        self.process = subprocess.Popen([WITNESS, "serve", *self.config, "--listen", f"127.0.0.1:{port}"], stdout=self.log, stderr=self.log)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit("the foreign witness does not start")

    def run(self, command, *words):
        return subprocess.run([WITNESS, command, *self.config, *words], capture_output=True, text=True, check=True).stdout

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def ask(self, old, hashes, checkpoint):
        """Status and body of add-checkpoint."""
        lines = [f"old {old}", *(base64.b64encode(bytes.fromhex(one)).decode() for one in hashes), "", checkpoint]
        request = urllib.request.Request(f"{self.url}/add-checkpoint", data="\n".join(lines).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def size(checkpoint):
    return int(checkpoint.split("\n")[1])


def judge(scene, tally):
    """The row of the table: what a witness takes and refuses, and that our verifier takes what it signed and nothing else."""
    collected(scene, tally)
    early, late = ((scene.folder / f"{name}.checkpoint").read_text() for name in ("early", "late"))
    early, late = uncosigned(early), uncosigned(late)
    hashes = json.loads(scene.get(f"/v1/log/consistency?from={size(early)}&to={size(late)}"))["proof"]
    other = Witness(scene.folder / "spoiled" / "witness", "witness.example/two", early.split("\n")[0], scene.log_key)
    try:
        tally.same(other.ask(0, [], early)[0], 200)
        tally.differs(other.ask(0, [], late), (409, f"{size(early)}\n"))
        tally.differs(other.ask(size(early), hashes[:-1], late)[0], 422)
        tally.differs(other.ask(size(early), [hashes[0][::-1], *hashes[1:]], late)[0], 422)
        forged = late.replace(f"\n{size(late)}\n", f"\n{size(late) + 1}\n", 1)
        tally.differs(other.ask(size(early), hashes, forged)[0], 403)
        tally.differs(other.ask(size(early), hashes, late.replace("vault.example", "other.example"))[0], 404)
        status, line = other.ask(size(early), hashes, late)
        tally.same(status, 200)
        scene.trust("witness.toml", f"witness two {other.vkey}", "two")
    finally:
        other.close()
    attached(scene, tally, late + line, "PASSED")
    head, data = line.rstrip("\n").rsplit(" ", 1)
    spoiled = bytearray(base64.b64decode(data))
    spoiled[-1] ^= 1
    attached(scene, tally, f"{late}{head} {base64.b64encode(spoiled).decode()}\n", "FAILED")
    attached(scene, tally, late, "INDETERMINATE")


def uncosigned(checkpoint):
    """A checkpoint as the log signed it: three lines, an empty one, and the log's own signature."""
    return "\n".join(checkpoint.split("\n")[:5]) + "\n"


def collected(scene, tally):
    """What our server had cosigned by the witness of its policy, unasked, and what it keeps of it, satisfies a judge who trusts that witness."""
    kept = scene.kept(size((scene.folder / "late.checkpoint").read_text()), "cosignature")["checkpoint"]
    scene.trust("witness.toml", f"witness one {scene.witness.vkey}", "one")
    attached(scene, tally, kept, "PASSED")


def attached(scene, tally, checkpoint, verdict):
    """What our verifier says of the dossier when this checkpoint is attached to it."""
    (scene.folder / "witnessed").write_text(checkpoint)
    shutil.copyfile(scene.folder / "dossier.zip", scene.folder / "witnessed.zip")
    scene.run("dossier", "attach", "witnessed.zip", "witnessed", home="joost")
    said = scene.verify("witnessed.zip", "witness.toml")
    (tally.same if verdict == "PASSED" else tally.differs)(said, verdict)
