"""A vault on loopback, set up and used by the commands of README.md, for other people's tools to judge what it leaves.

Three offices, an auditor, a case with two exhibits, a member who joined later and was granted one of them, and a dossier that an auditor cosigned.
"""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from authority import Authority
from witness import Witness, size

PASSPHRASE = "correct horse battery staple"
ORIGIN = "vault.example/log"
CASE = "Operation Exemplu"
FORM = """
exhibit_number = "NL-1"
title = "Phone of a suspect"
kind = "phone_image"
handling = "H0"
person_categories = ["suspect"]
special_category = false
child = false
review_date = "2031-01-01"
[collected]
by = "Det. Jansen"
at = "2026-03-02T10:00:00+02:00"
place = "Den Haag"
[source]
person = "A. B."
[acquisition]
method = "logical extraction"
[legal_basis]
type = "warrant"
identifier = "26-117"
authority = "Rechtbank Den Haag"
state = "NL"
valid_from = "2026-01-01"
[evaluation]
source = "B"
information = "2"
"""
# Names and sizes at which tools tend to part ways: more than one segment, nothing at all, spaces, accents, a percent sign, a leading dash.
EVIDENCE = {
    "chat.txt": b"seen at the station\n",
    "photos/une photo d'\xc3\xa9t\xc3\xa9.jpg".encode("latin-1").decode("utf-8"): bytes(range(256)) * 5000,
    "photos/100%25.bin": b"\x00" * 4097,
    "-rf": b"a name that looks like an option\n",
    "empty": b"",
    "video.bin": bytes((7 * i ^ i >> 8) & 0xFF for i in range(1 << 16)) * 140,
}


class Failed(Exception):
    """A command of ours did not do what it was told: nothing about another tool."""


class Scene:
    """What a run leaves below `folder`; the server runs until `close`."""

    def __init__(self, program, folder):
        self.program, self.folder = str(program), Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.link = ["--server", self.url, "--card", "server/server.json"]
        self.server = self.witness = self.authority = self.stranger = None

    def run(self, *words, home=None):
        """A command of ours, as somebody with a home of their own; gives what it printed."""
        command = [self.program, *words, *(["--home", home] if home else []), "--passphrase-fd", "0"]
        done = subprocess.run(command, cwd=self.folder, input=f"{PASSPHRASE}\n{PASSPHRASE}\n", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def verify(self, dossier, trust):
        """The verdict of our verifier."""
        done = subprocess.run([self.program, "verify", dossier, "--trust", trust], cwd=self.folder, capture_output=True, text=True, check=False)
        return next((word for word in ("PASSED", "FAILED", "INDETERMINATE") if word in done.stdout), f"nothing: {done.stdout}{done.stderr}")

    def get(self, path):
        """An answer of the public log."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return answer.read()

    def offices(self):
        """Three offices sign a trust list, and the server begins its log with it."""
        for place, identifier, country, name in [("nl", "nl-om", "NL", "Openbaar Ministerie"), ("ro", "ro-diicot", "RO", "DIICOT"),
                                                 ("eu", "eu-audit", "BE", "Supervisory Authority")]:
            self.run("office", "init", place, "--id", identifier, "--country", country, "--name", name)
        self.pin = self.run("office", "trust-list", "list.json", "--threshold", "2", "--office", "nl/root.der:prosecutor,recovery",
                            "--office", "ro/root.der:prosecutor,recovery", "--office", "eu/root.der:auditor:nl-om,ro-diicot").strip()
        self.run("office", "sign", "nl", "list.json")
        self.run("office", "sign", "ro", "list.json")
        self.log_key = self.run("serve", "init", "server", "--origin", ORIGIN, "--trust-pin", self.pin, "--listen", self.address).strip()
        self.vouchers()
        self.start()
        self.run("office", "publish", "nl", "list.json", *self.link)

    def vouchers(self):
        """A foreign witness and a time-stamping authority, which the server asks as often as it may; and an authority that nobody asks."""
        self.witness = Witness(self.folder / "witness", "witness.example/one", ORIGIN, self.log_key)
        self.authority = Authority(self.folder / "authority", "the authority of the tests")
        self.stranger = Authority(self.folder / "stranger", "an authority that nobody asked")
        (self.folder / "policy").write_text(f"witness one {self.witness.vkey} {self.witness.url}\nquorum one\n")
        with open(self.folder / "server" / "custodia.toml", "a") as config:
            config.write(f'\n[witnesses]\npolicy = "{self.folder / "policy"}"\nevery_seconds = 1\n')
            config.write(f'\n[stamps]\nauthorities = [{{ name = "tests", url = "{self.authority.url}" }}]\nevery_seconds = 1\n')

    def kept(self, size, what):
        """The smallest checkpoint of at least so many records that was cosigned, or stamped, when there is one: the server asks by itself."""
        for _ in range(600):
            try:
                return json.loads(self.get(f"/v1/log/kept?at_least={size}&with={what}"))
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
            time.sleep(0.1)
        raise Failed(f"no checkpoint of {size} records has a {what}")

    def start(self):
        """The server, when it answers."""
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen([self.program, "serve", "--config", "server/custodia.toml"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, env={**os.environ, "CUSTODIA_LOG": "warn"})
        host, port = self.address.split(":")
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            if self.server.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"the server does not answer: {(self.folder / 'server.log').read_text()}")

    def close(self):
        """Ends the server and whoever vouched for it."""
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait()
        for one in (self.witness, self.authority, self.stranger):
            if one:
                one.close()

    def enrol(self, office, place, role, person):
        """A device with a certificate that is in the log."""
        self.run("device", "init", "--person", f"{office}/{person}", "--name", person.capitalize(), "--role", role, "--request", f"{person}.request", home=person)
        self.run("office", "issue", place, f"{person}.request", f"{person}.der", *self.link)
        self.run("device", "install", f"{person}.der", *self.link, home=person)

    def people(self):
        """A prosecutor and a recovery device of each state, and an auditor over both."""
        for office, place, role, person in [("nl-om", "nl", "recovery", "nlsafe"), ("nl-om", "nl", "prosecutor", "joost"),
                                            ("ro-diicot", "ro", "recovery", "rosafe"), ("ro-diicot", "ro", "prosecutor", "ana"),
                                            ("eu-audit", "eu", "auditor", "ines")]:
            self.enrol(office, place, role, person)

    def case(self):
        """Two exhibits; a colleague who joins later and is granted the first of them, and opens and exports it."""
        self.case_id = self.run("case", "create", "--title", CASE, "--review", "2031-01-01", "--reason", "Joint investigation", home="joost").strip()
        (self.folder / "form.toml").write_text(FORM)
        for name, content in EVIDENCE.items():
            path = self.folder / "evidence" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.folder / "note.txt").write_text("what is not granted\n")
        (self.folder / "late.txt").write_text("collected when everybody was there\n")
        self.exhibit = self.add("evidence")
        self.second = self.add("note.txt")
        (self.folder / "early.checkpoint").write_bytes(self.get("/checkpoint"))
        self.run("device", "sync", home="ana")
        self.run("device", "sync", home="rosafe")
        self.run("case", "add", CASE, "ro-diicot/ana", "--history", "none", "--reason", "Joins the investigation", home="joost")
        self.grant("ana", self.exhibit)
        self.run("device", "sync", home="ana")
        self.run("exhibit", "export", CASE, self.exhibit, "--to", "exported", "--recipient", "The court", "--purpose", "trial",
                 "--reason", "For the hearing", home="ana")

    def add(self, source):
        """Takes a file or folder in; gives the exhibit's id."""
        said = self.run("exhibit", "add", CASE, source, "--form", "form.toml", "--reason", "Collected under warrant", "--fresh", home="joost")
        return re.search(r"(?m)^([0-9a-f]{32})$", said)[1]

    def grant(self, person, exhibit):
        """Grants an exhibit to a member of the second office."""
        self.run("exhibit", "grant", CASE, f"ro-diicot/{person}", exhibit, "--purpose", "mutual-assistance", "--reason", "Asked for by a letter", home="joost")

    def dossier(self):
        """A dossier of the first exhibit, which the auditor's key cosigned after a replay, and the judge's trust file."""
        self.run("dossier", "make", CASE, self.exhibit, "--to", "dossier.zip", "--recipient", "Court of Antwerp", "--purpose", "trial",
                 "--reason", "Indictment", home="joost")
        # Stamped before anything else is entered: the dossier ends with this head, and its last record needs a stamp behind it too.
        self.kept(size(self.get("/checkpoint").decode()), "stamp")
        self.auditor = self.run("audit", "key", "auditor-key", "--name", "audit.example/ines").strip()
        self.run("audit", "--purpose", "lawfulness-check", "--reason", "Yearly supervision", "--cosign", "auditor-key", "--checkpoint", "cosigned", home="ines")
        (self.folder / "late.checkpoint").write_bytes(self.get("/checkpoint"))
        # Stamps on both sides of every record, before the dossier is brought up to date.
        self.kept(size((self.folder / "late.checkpoint").read_text()), "stamp")
        self.run("dossier", "attach", "dossier.zip", "cosigned", home="joost")
        self.trust("trust.toml", f"witness auditor {self.auditor}", "auditor")
        verdict = self.verify("dossier.zip", "trust.toml")
        if verdict != "PASSED":
            raise Failed(f"our own verifier says {verdict} of the dossier")
        with zipfile.ZipFile(self.folder / "dossier.zip") as archive:
            archive.extractall(self.folder / "opened")
        self.bag = self.folder / "opened" / "dossier"

    def trust(self, name, witness, quorum):
        """A trust file whose policy demands one cosigner, and that every time is proven by stamps of the authority."""
        (self.folder / name).write_text(
            f'origin = "{ORIGIN}"\nlog = "{self.log_key}"\ntrust_pin = "{self.pin}"\npolicy = """\n{witness}\nquorum {quorum}\n"""\n'
            f'tsa_roots = """\n{self.authority.root.read_text()}"""\nstamps = "demanded"\n')

    def chain(self):
        """The record views of the dossier's exhibit, in order."""
        return [json.loads(line) for line in (self.bag / "custody" / "exhibits" / self.exhibit / "chain.ndjson").read_text().splitlines()]

    def registry(self):
        """The record views of the registry, in order."""
        return [json.loads(line) for line in (self.bag / "custody" / "registry.ndjson").read_text().splitlines()]
