"""Sealing to and opening from one S3 store: the Ceph gateway of `tests/backends`, which everybody uses at the same address."""

import os
import re
import shutil

import contest
from contest import Contender, program
from sealing import OURS, Peers, peaks, write_large, write_small
from vault import Vault

BUCKET = "bench"


class Gateway:
    """Where the store is, and its keys."""

    def __init__(self):
        # Room for everybody's objects of every round: what is deleted goes hours later.
        os.environ.setdefault("CUSTODIA_CEPH_GIB", "40")
        backends = str(contest.ROOT / "tests" / "backends")
        program([backends, "down"])
        program([backends, "up"])
        kept = contest.TARGET / "backends"
        addresses = dict(line.split("=", 1) for line in (kept / "addresses").read_text().split())
        self.url, self.bucket, self.credentials = f"http://127.0.0.1:{addresses['s3']}", addresses["bucket"], addresses["credentials"]
        keys = dict(re.findall(r'(\w+) = "([^"]+)"', open(self.credentials).read()))
        self.id, self.secret = keys["access_key_id"], keys["secret_access_key"]

    def section(self):
        return (f'[store.s3]\nbucket = "{self.bucket}"\nregion = "default"\nendpoint = "{self.url}"\nallow_http = true\nprefix = "{BUCKET}-{os.getpid()}"\n'
                f'credentials = "{self.credentials}"\n')


def remotes(peers, gateway):
    """Plain and crypt remotes of rclone, and restic's environment, all on the same bucket."""
    obscured = program(["rclone", "obscure", "correct horse battery staple"])[1].strip().split("\n")[-1]
    config = peers.folder / "rclone.conf"
    config.write_text(
        f"[s3]\ntype = s3\nprovider = Ceph\nenv_auth = false\naccess_key_id = {gateway.id}\nsecret_access_key = {gateway.secret}\nendpoint = {gateway.url}\n"
        f"[crypt]\ntype = crypt\nremote = s3:{gateway.bucket}/rclone-crypt\npassword = {obscured}\n")
    # What the caller's AWS clients are told is not for a store on loopback: rclone refuses to start with another bundle of roots.
    for name in ["AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_ENDPOINT_URL"]:
        os.environ.pop(name, None)
    peers.env |= {"RCLONE_CONFIG": str(config), "AWS_ACCESS_KEY_ID": gateway.id, "AWS_SECRET_ACCESS_KEY": gateway.secret}


def measure(options):
    contest.need({"restic": "restic", "rclone": "rclone", "age": "age"})
    gateway = Gateway()
    folder = contest.folder()
    custodia = contest.product()
    tables = []
    repository = f"s3:{gateway.url}/{gateway.bucket}/restic"
    try:
        vault = Vault(custodia, folder / "vault", lambda text: re.sub(r"\[store\]\nfolder = .*\n", gateway.section(), text))
        try:
            peers = Peers(folder)
            remotes(peers, gateway)

            def gone(*remotes):
                for remote in remotes:
                    peers.run(f"rclone -q purge {remote} || true")

            def restic_new():
                gone(f"s3:{gateway.bucket}/restic")
                peers.fresh("restic-cache")
                peers.run(f"restic -q init -r {repository}")

            for name, is_file in [("2 GiB", True), ("10,000 × 20 KB", False)]:
                source = folder / ("large.bin" if is_file else "small")
                if is_file:
                    write_large(source, 128 if options.small else 2048)
                else:
                    write_small(source, 200 if options.small else 10_000)
                name += " (here a small part of it)" if options.small else ""
                rounds = options.rounds or (2 if options.small else 3)
                kept, to = {}, folder / "opened"

                def ours():
                    spent, kept["exhibit"] = vault.add(source)
                    return spent

                plain, crypt = f"s3:{gateway.bucket}/rclone", "crypt:"
                sealing = [
                    Contender(OURS, "`exhibit add` by way of a server on loopback, objects in the bucket", ours),
                    Contender("restic", "`backup`", lambda: peers.run(f"restic -q -r {repository} backup {source}"), restic_new),
                    Contender("rclone crypt", "`copy`, four transfers", lambda: peers.run(f"rclone -q copy {source} {crypt}"), lambda: gone(f"s3:{gateway.bucket}/rclone-crypt")),
                    Contender("rclone", "`copy`, four transfers; no encryption", lambda: peers.run(f"rclone -q copy {source} {plain}"), lambda: gone(plain)),
                ]
                contest.take_turns(sealing, rounds, [source])
                tables.append(contest.table(f"Sealing {name} to S3", sealing, OURS) + peaks(sealing))

                def fresh():
                    peers.fresh("opened")

                opening = [
                    Contender(OURS, "`exhibit export`", lambda: vault.export(kept["exhibit"], to), fresh),
                    Contender("restic", "`restore`", lambda: peers.run(f"restic -q -r {repository} restore latest --target {to}"), fresh),
                    Contender("rclone crypt", "`copy`", lambda: peers.run(f"rclone -q copy {crypt} {to}"), fresh),
                    Contender("rclone", "`copy`; no encryption", lambda: peers.run(f"rclone -q copy {plain} {to}"), fresh),
                ]
                contest.take_turns(opening, rounds)
                tables.append(contest.table(f"Opening {name} from S3", opening, OURS) + peaks(opening))
                gone(plain, f"s3:{gateway.bucket}/rclone-crypt", f"s3:{gateway.bucket}/restic")
                peers.fresh("opened")
        finally:
            vault.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        program([str(contest.ROOT / "tests" / "backends"), "down"])
    return tables
