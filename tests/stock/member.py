"""The foreign member of a case (member/member.mjs) as a person of the second office, and the row that judges what it can do."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from records import intent, payload, signer
from scene import CASE

HERE = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve() / "tools" / "stock"


def node(scene, command, *words):
    """A command of the foreign member."""
    words = [str(word) for word in words]
    return subprocess.run(["node", TOOLS / "member" / "member.mjs", command, *words], cwd=scene.folder, capture_output=True, text=True, check=False)


def do(scene, command, *words):
    """One that must succeed: the answer."""
    done = node(scene, command, *words)
    if done.returncode != 0:
        raise RuntimeError(f"the foreign member's {command} {' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


def takes_part(scene):
    """Enrolled by the second office, added by the first without history, granted one exhibit, and there for one that is collected later and for a removal."""
    (scene.folder / "roots").mkdir()
    for office in ("nl", "ro", "eu"):
        shutil.copyfile(scene.folder / office / "root.der", scene.folder / "roots" / f"{office}.der")
    do(scene, "request", "mihai", "ro-diicot/mihai", "Mihai")
    scene.run("office", "issue", "ro", "mihai/request", "mihai.der", *scene.link)
    do(scene, "packages", "mihai", "mihai.der", scene.url)
    scene.run("case", "add", CASE, "ro-diicot/mihai", "--history", "none", "--reason", "Joins with a program of their own", home="joost")
    case = scene.case_id
    do(scene, "get", "mihai", scene.url, "/v1/welcomes", "welcomes.json")
    do(scene, "get", "mihai", scene.url, f"/v1/cases/{case}/records?from=0", "records.json")
    shutil.copytree(scene.folder / "mihai", scene.folder / "mihai-before")
    scene.joined = do(scene, "join", "mihai", "roots", case, "welcomes.json", "records.json")
    scene.grant("mihai", scene.exhibit)
    do(scene, "open", "mihai", scene.url, case, scene.exhibit, "by-grant")
    scene.third = scene.add("late.txt")
    do(scene, "open", "mihai", scene.url, case, scene.third, "by-ring")
    scene.run("case", "remove", CASE, "ro-diicot/ana", "--reason", "Left the investigation", home="joost")
    do(scene, "get", "mihai", scene.url, f"/v1/cases/{case}/changes?from={scene.joined['epoch']}&generation=0", "changes.json")
    do(scene, "get", "mihai", scene.url, f"/v1/cases/{case}/records?from=0", "records.json")
    shutil.copytree(scene.folder / "mihai", scene.folder / "mihai-joined")
    scene.followed = do(scene, "follow", "mihai", "roots", case, "changes.json", "records.json")


def judge(scene, tally):
    """The row of the table."""
    case = scene.case_id
    ids = {person: certificate_id(scene.folder / f"{person}.der") for person in ("nlsafe", "joost", "rosafe", "ana", "mihai")}
    tally.same(sorted(scene.joined["members"]), sorted(ids.values()))
    tally.same(sorted(scene.followed["members"]), sorted(one for person, one in ids.items() if person != "ana"))
    tally.same(scene.followed["ring"], scene.joined["ring"] + 1)
    # What it signed was taken by the server, replayed by the auditor, and is among the records of the dossier, which our verifier passed.
    openings = [said for said in map(intent, scene.chain()) if payload(said)["kind"] == "consultation" and signer(said) == ids["mihai"]]
    tally.same(len(openings), 1)
    joins(scene, tally, case)
    follows(scene, tally, case)
    for exhibit, place, by, source in [(scene.exhibit, "by-grant", "grant", "evidence"), (scene.third, "by-ring", "ring", "late.txt")]:
        unseals(scene, tally, case, exhibit, place, by, source)


def certificate_id(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuse(scene, tally, because, *words):
    """The foreign member says no, for the reason that was meant."""
    done = node(scene, *words)
    tally.differs((done.returncode, because in done.stderr or done.stderr), (1, True))


def changed(scene, tally, name, change):
    """A copy of a file of JSON in which something was changed."""
    held = json.loads((scene.folder / name).read_text())
    change(held)
    return tally.text(f"{len(list(tally.spoils.iterdir()))}.json", json.dumps(held))


def bit(held, member, at):
    """Changes one bit of the bytes that a member holds in Base64."""
    data = bytearray(base64.b64decode(held[member]))
    data[at] ^= 1
    held[member] = base64.b64encode(data).decode()


def joins(scene, tally, case):
    """The Welcome: for nobody else, from nobody else, and with no other ring key."""

    def copy():
        return tally.copy(scene.folder / "mihai-before")

    tally.same(do(scene, "join", copy(), "roots", case, "welcomes.json", "records.json"), scene.joined)
    few = tally.copy(scene.folder / "roots")
    (few / "nl.der").unlink()
    refuse(scene, tally, "Could not validate credential", "join", copy(), few, case, "welcomes.json", "records.json")
    end = changed(scene, tally, "welcomes.json", lambda held: bit(held["welcomes"][0], "welcome", -1))
    refuse(scene, tally, "CryptoError", "join", copy(), "roots", case, end, "records.json")
    row = changed(scene, tally, "welcomes.json", lambda held: bit(held["welcomes"][0], "ring_row", -1))
    refuse(scene, tally, "unable to authenticate data", "join", copy(), "roots", case, row, "records.json")
    stranger = copy()
    state = json.loads((stranger / "state.json").read_text())
    (stranger / "state.json").write_text(json.dumps({**state, "packages": [one for one in state["packages"] if not meant(scene, case, stranger, state, one)]}))
    refuse(scene, tally, "No matching secret found", "join", stranger, "roots", case, "welcomes.json", "records.json")


def meant(scene, case, folder, state, package):
    """Whether the Welcome was made for this key package."""
    (folder / "state.json").write_text(json.dumps({**state, "packages": [package]}))
    return node(scene, "join", folder, "roots", case, "welcomes.json", "records.json").returncode == 0


def follows(scene, tally, case):
    """The commit that removes somebody."""

    def copy():
        return tally.copy(scene.folder / "mihai-joined")

    tally.same(do(scene, "follow", copy(), "roots", case, "changes.json", "records.json"), scene.followed)
    commit = changed(scene, tally, "changes.json", lambda held: bit(held["changes"][0], "commit", 200))
    refuse(scene, tally, "Could not verify membership", "follow", copy(), "roots", case, commit, "records.json")
    earlier = json.loads((scene.folder / "welcomes.json").read_text())["welcomes"][0]["ring_row"]
    row = changed(scene, tally, "changes.json", lambda held: held["changes"][0].update(ring_row=earlier))
    refuse(scene, tally, "a row of another epoch", "follow", copy(), "roots", case, row, "records.json")


def unseals(scene, tally, case, exhibit, place, by, source):
    """An exhibit, bit for bit what was collected; and nothing of it with a part that is another's."""
    words = ("mihai", case, exhibit)
    said = do(scene, "unseal", *words, place, f"out-{place}")
    tally.same(said["by"], by)
    tally.accept("diff", "-r", scene.folder / source, scene.folder / f"out-{place}" / source)

    def spoil(name, change):
        to = tally.copy(scene.folder / place)
        shutil.copyfile(changed(scene, tally, f"{place}/{name}", change), to / name)
        return to

    to = tally.spoils / "nothing"
    share = spoil("released.json", lambda held: bit(held, "release_share", 0))
    refuse(scene, tally, "another release share", "unseal", *words, share, to)
    released = json.loads((scene.folder / place / "released.json").read_text())
    damaged = tally.copy(scene.folder / place)
    data = bytearray((damaged / released["objects"][-1]).read_bytes())
    data[-1] ^= 1
    (damaged / released["objects"][-1]).write_bytes(data)
    refuse(scene, tally, "the collection names other objects", "unseal", *words, damaged, to)
    if by == "ring":
        wrap = spoil("row.json", lambda held: bit(held, "group_share", -1))
        refuse(scene, tally, "unable to authenticate data", "unseal", *words, wrap, to)
    else:
        def signature(held):
            held["grants"] = [text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:] for text in held["grants"]]

        refuse(scene, tally, "a statement's signature does not verify", "unseal", *words, spoil("grants.json", signature), to)
        other = tally.copy(scene.folder / "mihai")
        state = json.loads((other / "state.json").read_text())
        (other / "state.json").write_text(json.dumps({**state, "sealing": "00" * 32}))
        refuse(scene, tally, "OpenError", "unseal", other, case, exhibit, place, to)
    if to.exists():
        raise AssertionError("something was written out of a spoiled exhibit")
