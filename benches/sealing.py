"""Sealing and opening on one machine: one large file, and many small ones."""

import re
import shutil

import contest
from contest import Contender, program
from vault import Vault

OURS = "custodia"


def write_large(path, mib):
    """Bytes that nothing compresses, as videos and disk images are; the same in every run."""
    key, zero = "0" * 64, "0" * 32
    program(f"head -c {mib}M /dev/zero | openssl enc -aes-256-ctr -K {key} -iv {zero} -nosalt -out {path} 2>/dev/null")


def write_small(folder, count):
    """Files of 20 KB in folders of a hundred."""
    bulk = folder.parent / "bulk"
    write_large(bulk, count * 20_000 // (1 << 20) + 1)
    with open(bulk, "rb") as source:
        for number in range(count):
            into = folder / f"{number // 100:03}"
            into.mkdir(parents=True, exist_ok=True)
            (into / f"{number:05}.jpg").write_bytes(source.read(20_000))
    bulk.unlink()


class Peers:
    """The peers with keys and repositories, made anew for every turn, since a second backup of the same bytes would cost nothing."""

    def __init__(self, folder):
        self.folder, self.env = folder, {"RESTIC_PASSWORD": "correct horse battery staple", "RESTIC_CACHE_DIR": str(folder / "restic-cache")}
        self.age = folder / "age.key"
        if not self.age.exists():
            program(["age-keygen", "-o", str(self.age)])
        self.recipient = re.search(r"age1\w+", self.age.read_text())[0]
        obscured = program(["rclone", "obscure", "correct horse battery staple"])[1].strip().split("\n")[-1]
        config = folder / "rclone.conf"
        config.write_text(f"[crypt]\ntype = crypt\nremote = {folder}/rclone\npassword = {obscured}\n")
        self.env["RCLONE_CONFIG"] = str(config)
        self.rage = contest.TOOLS / "rage"

    def fresh(self, *names):
        for name in names:
            path = self.folder / name
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)

    def run(self, line):
        return program(line, env=self.env)[0]

    def restic_new(self):
        self.fresh("restic", "restic-cache")
        self.run(f"restic -q init -r {self.folder}/restic")


def sealing(vault, peers, source, is_file):
    """Everybody who seals `source`. age and rage take one stream, so a folder comes to them as tar's."""
    sealed = {}
    out = peers.folder

    def ours():
        spent, sealed["exhibit"] = vault.add(source)
        return spent

    stream = f"cat {source}" if is_file else f"tar -C {source.parent} -cf - {source.name}"
    single = f"{source}" if is_file else ""
    tar = "" if is_file else ", of tar's stream"

    def by(tool):
        command = f"{tool} -r {peers.recipient} -o {out}/sealed.age {single}"
        return command if is_file else f"{stream} | {command}"

    gocryptfs = f"cp -r {source} {out}/plain/ && fusermount -u {out}/plain"

    def gocryptfs_new():
        peers.fresh("cipher")
        (out / "cipher").mkdir()
        (out / "plain").mkdir(exist_ok=True)
        peers.run(f"echo secret-of-the-bench | gocryptfs -q -init {out}/cipher && echo secret-of-the-bench | gocryptfs -q {out}/cipher {out}/plain")

    return sealed, [
        Contender(OURS, "`exhibit add` by way of a server on loopback, folder store: three digests, journal, every object and the entry on the disk", ours),
        Contender("age", f"X25519, ChaCha20-Poly1305{tar}; nothing is flushed", lambda: peers.run(by("age")), lambda: peers.fresh("sealed.age")),
        Contender("age, flushed", "the same and `sync` of the file", lambda: peers.run(by("age") + f" && sync {out}/sealed.age"), lambda: peers.fresh("sealed.age")),
        Contender("rage", f"as age{tar}; nothing is flushed", lambda: peers.run(by(peers.rage)), lambda: peers.fresh("sealed.age")),
        Contender("restic", "`backup` to a local repository: AES-256-CTR, Poly1305-AES, chunks by content, SHA-256; flushes its files",
                  lambda: peers.run(f"restic -q -r {out}/restic backup {source}"), peers.restic_new),
        Contender("rclone crypt", "`copy` to a crypt remote over a folder: XSalsa20-Poly1305; nothing is flushed",
                  lambda: peers.run(f"rclone -q copy {source} crypt:"), lambda: peers.fresh("rclone")),
        Contender("gocryptfs", "`cp` into a mounted folder: AES-256-GCM; nothing is flushed", lambda: peers.run(gocryptfs), gocryptfs_new),
        Contender("cp", "no encryption; nothing is flushed", lambda: peers.run(f"cp -r {source} {out}/copy"), lambda: peers.fresh("copy")),
    ]


def opening(vault, peers, source, is_file, sealed):
    """Everybody who opens what the last turns of sealing left."""
    out = peers.folder
    to = out / "opened"

    def fresh():
        peers.fresh("opened")

    def by(tool):
        command = f"{tool} -d -i {peers.age} -o {to} {out}/sealed.age"
        return command if is_file else f"mkdir {to} && {tool} -d -i {peers.age} {out}/sealed.age | tar -C {to} -xf -"

    def gocryptfs_mount():
        fresh()
        peers.run(f"echo secret-of-the-bench | gocryptfs -q {out}/cipher {out}/plain")

    return [
        Contender(OURS, "`exhibit export`: entry, every object's name, tag and file's digests, every file on the disk", lambda: vault.export(sealed["exhibit"], to), fresh),
        Contender("age", "nothing is flushed", lambda: peers.run(by("age")), fresh),
        Contender("rage", "nothing is flushed", lambda: peers.run(by(peers.rage)), fresh),
        Contender("restic", "`restore`; nothing is flushed", lambda: peers.run(f"restic -q -r {out}/restic restore latest --target {to}"), fresh),
        Contender("rclone crypt", "`copy` from the crypt remote; nothing is flushed", lambda: peers.run(f"rclone -q copy crypt: {to}"), fresh),
        Contender("gocryptfs", "`cp` out of a mounted folder; nothing is flushed",
                  lambda: peers.run(f"cp -r {out}/plain/{source.name} {to} && fusermount -u {out}/plain"), gocryptfs_mount),
        Contender("cp", "no encryption; nothing is flushed", lambda: peers.run(f"cp -r {out}/copy {to}"), fresh),
    ]


def peaks(contenders):
    """The server's share of the memory, which stands in no peer's row."""
    most = max(spent.server_peak for spent in contenders[0].spent)
    return f"\nThe server's peak was {most:.0f} MiB; its time of processors is counted with ours.\n"


def measure(options):
    contest.need({"age": "age", "restic": "restic", "rclone": "rclone", "gocryptfs": "gocryptfs", "fuse3": "fusermount"}, [("rage", "rage")])
    folder = contest.folder()
    custodia = contest.product()
    tables = []
    try:
        vault = Vault(custodia, folder / "vault")
        try:
            for name, is_file in [("2 GiB", True), ("10,000 × 20 KB", False)]:
                source = folder / ("large.bin" if is_file else "small")
                if is_file:
                    write_large(source, 256 if options.small else 2048)
                else:
                    write_small(source, 500 if options.small else 10_000)
                name += " (here a small part of it)" if options.small else ""
                peers = Peers(folder)
                rounds = options.rounds or (2 if options.small else 5)
                sealed, contenders = sealing(vault, peers, source, is_file)
                contest.take_turns(contenders, rounds, [source])
                tables.append(contest.table(f"Sealing {name}", contenders, OURS) + peaks(contenders))
                contenders = opening(vault, peers, source, is_file, sealed)
                contest.take_turns(contenders, rounds, [one for one in [folder / "sealed.age", folder / "vault" / "server" / "objects"] if one.exists()])
                tables.append(contest.table(f"Opening {name}", contenders, OURS) + peaks(contenders))
                peers.fresh("sealed.age", "restic", "rclone", "cipher", "copy", "opened")
        finally:
            vault.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tables
