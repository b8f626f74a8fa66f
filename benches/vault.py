"""A vault on loopback for a bench: three offices, one server, one prosecutor with a case."""

import re
import socket
import time

import contest

PASSPHRASE = "correct horse battery staple"
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


class Vault:
    """Made in `folder`; `change` may rewrite the server's configuration before the log begins."""

    def __init__(self, program, folder, change=None):
        self.program, self.folder, self.number = str(program), folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        for office, identifier, country, name in [("nl", "nl-om", "NL", "Openbaar Ministerie"), ("eu", "eu-audit", "BE", "Authority")]:
            self.run(["office", "init", office, "--id", identifier, "--country", country, "--name", name])
        said = self.run(["office", "trust-list", "list.json", "--threshold", "1", "--office", "nl/root.der:prosecutor,recovery",
                         "--office", "eu/root.der:auditor:nl-om"])
        pin = re.search(r"(?m)^[0-9a-f]{64}$", said)[0]
        self.run(["office", "sign", "nl", "list.json"])
        self.config = folder / "server" / "custodia.toml"
        self.run(["serve", "init", "server", "--origin", "vault.example/log", "--trust-pin", pin, "--listen", self.address])
        if change:
            self.config.write_text(change(self.config.read_text()))
        self.server = None
        self.start()
        self.link = ["--server", f"http://{self.address}", "--card", "server/server.json"]
        self.run(["office", "publish", "nl", "list.json", *self.link])
        for office, place, role, person in [("nl-om", "nl", "recovery", "safe"), ("nl-om", "nl", "prosecutor", "joost"), ("eu-audit", "eu", "auditor", "ines")]:
            self.run(["device", "init", "--person", f"{office}/{person}", "--name", person, "--role", role, "--request", f"{person}.request"], person)
            self.run(["office", "issue", place, f"{person}.request", f"{person}.der", *self.link])
            self.run(["device", "install", f"{person}.der", *self.link], person)
        self.run(["case", "create", "--title", "Bench", "--review", "2031-01-01", "--reason", "Measuring"], "joost")
        (folder / "form.toml").write_text(FORM)

    def start(self):
        self.server = contest.Background([self.program, "serve", "--config", str(self.config)], self.folder / "server.log", {"CUSTODIA_LOG": "warn"})
        host, port = self.address.split(":")
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit(f"the server does not answer: {(self.folder / 'server.log').read_text()}")

    def stop(self):
        self.server.stop()

    def spend(self, words, home=None):
        """A command of a person's, with what it took; the server's processors and memory are counted with it."""
        before = self.server.cpu()
        self.server.forget_peak()
        home = ["--home", home] if home else []
        spent, said = contest.program([self.program, *words, *home, "--passphrase-fd", "0"], stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n", cwd=self.folder)
        spent.cpu += self.server.cpu() - before
        spent.server_peak = self.server.peak()
        return spent, said

    def run(self, words, home=None):
        home = ["--home", home] if home else []
        return contest.program([self.program, *words, *home, "--passphrase-fd", "0"], stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n", cwd=self.folder)[1]

    def add(self, source):
        """Takes a file or folder in; gives what it took, and the exhibit's id."""
        spent, said = self.spend(["exhibit", "add", "Bench", str(source), "--form", "form.toml", "--reason", "Measuring", "--fresh"], "joost")
        return spent, re.search(r"(?m)^([0-9a-f]{32})$", said)[1]

    def export(self, exhibit, to):
        return self.spend(["exhibit", "export", "Bench", exhibit, "--to", str(to), "--recipient", "The court", "--purpose", "trial",
                           "--reason", "Measuring"], "joost")[0]

    def dossier(self, exhibit, to):
        """Makes a dossier of an exhibit, with its files and without reports."""
        self.run(["dossier", "make", "Bench", exhibit, "--to", str(to), "--recipient", "The court", "--purpose", "trial", "--reason", "Measuring"], "joost")

    def trust(self):
        """A trust file that pins the log and demands no cosignature: the verdict is INDETERMINATE, and the exit code of a verifier says so."""
        card = (self.folder / "server" / "server.json").read_text()
        field = lambda name: re.search(rf'"{name}":\s*"([^"]+)"', card)[1]
        path = self.folder / "trust.toml"
        path.write_text(f'origin = "vault.example/log"\nlog = "{field("log_key")}"\ntrust_pin = "{field("trust_pin")}"\n')
        return path
