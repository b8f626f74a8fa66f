"""Replay of a log beside nothing but its signatures, and verification of a dossier beside nothing but its digests."""

import shutil
import statistics

import contest
import load
from contest import Contender, program
from sealing import OURS, write_large
from vault import Vault


def records(options):
    lines = load.figures(["replay", "--records", "2000" if options.small else "1000000", "--rounds", str(options.rounds or 3),
                          "--program", str(contest.TARGET / "release" / "custodia")])
    row = lambda name, key: f"| {name} | {load.middle(lines, key)} | {statistics.median(one['ours'] for one in lines) / statistics.median(one[key] for one in lines):.2f} |\n"
    return (f"**Replay of {lines[0]['records']} records**\n\n| | a second | ours / this |\n| --- | --- | --- |\n"
            f"| replay: parts, tree, chains, signatures, rules | {load.middle(lines, 'ours')} | |\n"
            + row("Ed25519 `verify_strict` alone, one processor", "raw_one") + row("the same on both processors", "raw_both"))


def dossiers(options):
    folder = contest.folder()
    custodia = contest.product()
    vault = Vault(custodia, folder / "vault")
    try:
        source = folder / "large.bin"
        write_large(source, 128 if options.small else 10_240)
        exhibit = vault.add(source)[1]
        dossier = folder / "dossier.zip"
        vault.dossier(exhibit, dossier)
        source.unlink()
        trust = vault.trust()
        verify = contest.TARGET / "release" / "custodia-verify"
        contenders = [
            Contender(OURS, "`custodia-verify`: ZIP, CRC-32, SHA-256, tree and BLAKE3 of every file, chain, receipts",
                      lambda: program(f"{verify} {dossier} --trust {trust} > /dev/null; test $? -le 3")[0]),
            Contender("sha256sum", "of coreutils, the ZIP as one file", lambda: program(f"sha256sum {dossier}")[0]),
            Contender("openssl sha256", "SHA-256 at the speed of the machine's instructions", lambda: program(f"openssl dgst -sha256 {dossier}")[0]),
            Contender("b3sum", "one thread", lambda: program(f"{contest.TOOLS}/b3sum --num-threads 1 {dossier}")[0]),
        ]
        contest.take_turns(contenders, options.rounds or (2 if options.small else 3), [dossier])
        return contest.table("Verification of a dossier of " + ("128 MiB" if options.small else "10 GiB"), contenders, OURS)
    finally:
        vault.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(options):
    contest.need({}, [("b3sum", "b3sum")])
    return [records(options), dossiers(options)]
