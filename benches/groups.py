"""Cases of 10, 100 and 500 devices beside mls-rs: the library's work alone, without server, database and certificates."""

import json

import contest
import load

STEPS = [("create", "create"), ("packages", "make key packages"), ("add_all", "add all, one commit"), ("join", "one of them joins"),
         ("add_one", "add one more"), ("process", "a member takes that commit"), ("remove", "remove one")]
SIZES = [("welcome_bytes", "Welcome for all"), ("commit_add_bytes", "commit that adds one"), ("commit_remove_bytes", "commit that removes one")]


def measure(options):
    rounds = str(options.rounds or (1 if options.small else 3))
    ours = load.figures(["groups", "--rounds", rounds])
    target = contest.TARGET / "peers"
    contest.program(["cargo", "build", "--release", "--locked", "--manifest-path", str(contest.ROOT / "benches/mls-rs/Cargo.toml"), "--target-dir", str(target)])
    theirs = [json.loads(line) for line in contest.program([str(target / "release" / "custodia-bench-mls-rs"), rounds])[1].splitlines() if line.startswith("{")]
    out = ["**Milliseconds, and bytes**: ours on X-Wing, AES-256-GCM, SHA-384, Ed25519 (0x004E); mls-rs on X25519, AES-128-GCM, SHA-256, Ed25519 (0x0001), since it has no hybrid suite", "",
           "| devices | step | ours | mls-rs | ours / mls-rs |", "| --- | --- | --- | --- | --- |"]
    for devices in [10, 100, 500]:
        one, other = ([line for line in lines if line["devices"] == devices] for lines in [ours, theirs])
        for key, step in STEPS:
            out.append(f"| {devices} | {step} | {load.middle(one, key, '{:.2f}')} | {load.middle(other, key, '{:.2f}')} | {load.ratio(one, other, key):.1f} |")
        for key, step in SIZES:
            out.append(f"| {devices} | {step}, bytes | {one[0][key]} | {other[0][key]} | {one[0][key] / other[0][key]:.1f} |")
    return ["\n".join(out) + "\n"]
