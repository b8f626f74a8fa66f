"""The rows of docs/STOCK-TOOLS.md: each lets one tool judge one artefact, good and spoiled."""

import base64
import hashlib
import json
import os
import sqlite3
import sys
from pathlib import Path

import member
import witness
from jwcrypto import jwk, jws
from records import b64url, entry, intent, payload, signer
from tally import Disagreed, Row, another, flip, run

HERE = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve() / "tools" / "stock"
LOG = TOOLS / "log"
PYTHON = Path(sys.prefix) / "bin"


def certificates(scene):
    """Every certificate that the registry names, by its id: roots of the trust list, and devices."""
    found = []
    for view in scene.registry():
        said = payload(intent(view))
        if said["kind"] == "trust.list":
            listed = json.loads(b64url(json.loads(said["body"]["list"])["payload"]))
            found += [root["certificate"] for office in listed["offices"] for root in office["roots"]]
        elif said["kind"] == "device.enrol":
            found.append(said["body"]["certificate"])
    ders = [base64.b64decode(text) for text in found]
    return {hashlib.sha256(der).hexdigest(): der for der in ders}


def pem(der):
    return "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der).decode() + "-----END CERTIFICATE-----\n"


def note(scene, tally):
    server, cosigned = scene.folder / "early.checkpoint", scene.bag / "custody" / "checkpoint"
    tally.accept(LOG, "note", scene.log_key, server)
    tally.accept(LOG, "note", scene.log_key, cosigned)
    for path in (server, cosigned):
        lines = path.read_text().split("\n")
        size = tally.text("size", "\n".join([lines[0], str(int(lines[1]) + 1), *lines[2:]]))
        tally.refuse("invalid signature for key", LOG, "note", scene.log_key, size)
        root = tally.text("root", "\n".join([*lines[:2], another(lines[2]), *lines[3:]]))
        tally.refuse("invalid signature for key", LOG, "note", scene.log_key, root)
    lines = cosigned.read_text().split("\n")
    stranger = tally.text("cosigned-only", "\n".join([*lines[:4], *(line for line in lines[4:] if not line.startswith(f"— {scene.log_key.split('+')[0]} "))]))
    tally.refuse("note has no verifiable signatures", LOG, "note", scene.log_key, stranger)


def proof_file(index, hashes, checkpoint):
    """A C2SP tlog-proof from the parts that a dossier holds apart."""
    lines = [base64.b64encode(bytes.fromhex(one)).decode() for one in hashes]
    return "c2sp.org/tlog-proof@v1\n" + "".join(f"{line}\n" for line in [f"index {index}", *lines]) + "\n" + checkpoint


def inclusion(scene, tally):
    views = scene.chain()
    checkpoint = (scene.bag / "custody" / "checkpoint").read_text()
    proofs = (scene.bag / "custody" / "exhibits" / scene.exhibit / "chain.proof").read_text().split("\n")
    for view, hashes in zip(views, proofs):
        path = tally.text("proof", proof_file(view["index"], hashes.split(), checkpoint))
        tally.accept(LOG, "record", scene.log_key, path, entry(view).hex())
        tally.refuse("invalid", LOG, "record", scene.log_key, path, another(entry(view).hex()[2:]).rjust(66, "0"))
        tally.refuse("invalid", LOG, "record", scene.log_key, tally.text("moved", proof_file(view["index"] ^ 1, hashes.split(), checkpoint)), entry(view).hex())
        cut = hashes.split()
        tally.refuse("invalid", LOG, "record", scene.log_key, tally.text("cut", proof_file(view["index"], cut[:-1], checkpoint)), entry(view).hex())
        tally.refuse("invalid", LOG, "record", scene.log_key, tally.text("hash", proof_file(view["index"], [another(cut[0]), *cut[1:]], checkpoint)), entry(view).hex())
    view = views[0]
    scene.run("log", "prove", scene.case_id, str(view["index"]), "--to", "record.proof", home="joost")
    tally.accept(LOG, "record", scene.log_key, scene.folder / "record.proof", entry(view).hex())
    tally.refuse("invalid", LOG, "record", scene.log_key, scene.folder / "record.proof", entry(views[1]).hex())


def consistency(scene, tally):
    late = scene.folder / "late.checkpoint"
    early = scene.folder / "early.checkpoint"
    sizes = [int(path.read_text().split("\n")[1]) for path in (early, late)]
    hashes = json.loads(scene.get(f"/v1/log/consistency?from={sizes[0]}&to={sizes[1]}"))["proof"]
    judge_consistency(scene, tally, early, late, hashes)


def judge_consistency(scene, tally, early, late, hashes):
    def file(name, hashes):
        return tally.text(name, "".join(f"{one}\n" for one in hashes))

    tally.accept(LOG, "tree", scene.log_key, early, late, file("consistency", hashes))
    tally.refuse("invalid", LOG, "tree", scene.log_key, early, late, file("cut", hashes[:-1]))
    tally.refuse("invalid", LOG, "tree", scene.log_key, early, late, file("more", [*hashes, hashes[0]]))
    tally.refuse("invalid", LOG, "tree", scene.log_key, early, late, file("changed", [another(hashes[0]), *hashes[1:]]))


def chains(scene, tally):
    known = certificates(scene)
    files = {name: tally.text(f"{name}.pem", pem(der)) for name, der in known.items()}
    verify = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-no-CAstore"]
    roots = {office: tally.text(f"{office}-root.pem", pem((scene.folder / office / "root.der").read_bytes())) for office in ("nl", "ro", "eu")}
    listed = {hashlib.sha256((scene.folder / office / "root.der").read_bytes()).hexdigest() for office in roots}
    if not listed < set(files):
        raise Disagreed("the trust list does not name the offices' roots")
    for root in roots.values():
        tally.accept(*verify, "-CAfile", root, root)
    for person, office, other in [("joost", "nl", "ro"), ("nlsafe", "nl", "ro"), ("ana", "ro", "nl"), ("rosafe", "ro", "nl"), ("ines", "eu", "nl")]:
        der = (scene.folder / f"{person}.der").read_bytes()
        device = files[hashlib.sha256(der).hexdigest()]
        tally.accept(*verify, "-CAfile", roots[office], device)
        tally.refuse("unable to get local issuer certificate", *verify, "-CAfile", roots[other], device)
        tally.refuse("certificate has expired", *verify, "-attime", "4102444800", "-CAfile", roots[office], device)
        tally.refuse("certificate signature failure", *verify, "-CAfile", roots[office], tally.text("spoiled.pem", pem(der[:-1] + bytes([der[-1] ^ 1]))))
        # A device is no office: what its key signed, nobody takes for a certificate.
        tally.refuse("invalid CA certificate", *verify, "-CAfile", roots[office], "-untrusted", device, "-purpose", "any", issued_by_device(tally, der))


def issued_by_device(tally, der):
    """A certificate that names a device as its issuer; whose signature it bears does not matter, since the issuer may not sign any."""
    device, key, to = tally.text("issuer.pem", pem(der)), tally.spoils / "stranger.key", tally.spoils / "issued.pem"
    run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key])
    request = tally.spoils / "issued.csr"
    run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=nobody", "-out", request])
    name = run(["openssl", "x509", "-in", device, "-noout", "-subject", "-nameopt", "compat"]).stdout
    if not name or not request.exists():
        raise Disagreed("openssl makes no request")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    issuer = x509.load_der_x509_certificate(der)
    signing = serialization.load_pem_private_key(key.read_bytes(), None)
    asked = x509.load_pem_x509_csr(request.read_bytes())
    made = (x509.CertificateBuilder().subject_name(asked.subject).issuer_name(issuer.subject).public_key(asked.public_key())
            .serial_number(7).not_valid_before(issuer.not_valid_before_utc).not_valid_after(issuer.not_valid_after_utc)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True).sign(signing, None))
    to.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return to


def stamps(scene, tally):
    folder = scene.bag / "custody" / "checkpoints"
    verify = ["openssl", "ts", "-verify", "-in"]
    for stamp in sorted(folder.glob("*.tsr")):
        stamped = folder / stamp.name.split(".")[0]
        root = ["-CAfile", scene.authority.root]
        tally.accept(*verify, stamp, "-data", stamped, *root)
        tally.refuse("message imprint mismatch", *verify, stamp, "-data", flip(tally.copy(stamped), 0), *root)
        tally.refuse("signature failure", *verify, flip(tally.copy(stamp), -1), "-data", stamped, *root)
        tally.refuse("certificate verify error", *verify, stamp, "-data", stamped, "-CAfile", scene.stranger.root)


def key_of(der):
    return jwk.JWK.from_pem(pem(der).encode())


def verified(text, key):
    """The payload of a JWS that this key signed."""
    token = jws.JWS()
    token.deserialize(text, key)
    return token.payload


def intents(scene, tally):
    known = {name: key_of(der) for name, der in certificates(scene).items()}
    texts = [intent(view) for view in [*scene.registry(), *scene.chain()]]
    for text in texts:
        key = known[signer(text)]
        tally.takes(verified, text, key)
        head, body, signature = text.split(".")
        tally.raises(jws.InvalidJWSSignature, verified, f"{head}.{another(body)}.{signature}", key)
        tally.raises(jws.InvalidJWSSignature, verified, text, next(other for name, other in known.items() if name != signer(text)))


def grants(scene, tally):
    known = {name: key_of(der) for name, der in certificates(scene).items()}
    texts = granted(scene)
    for text in texts:
        key = known[signer(text)]
        tally.takes(verified, text, key)
        head, body, signature = text.split(".")
        tally.raises(jws.InvalidJWSSignature, verified, f"{head}.{body}.{another(signature)}", key)


def granted(scene):
    """The grants that the server keeps; its operator sees who gave what to whom, and not the keys."""
    with sqlite3.connect(f"file:{scene.folder / 'server/db/custodia.sqlite'}?mode=ro", uri=True) as database:
        return [text for (text,) in database.execute("select jws from grant_texts")]


def trust_list(scene, tally):
    text = (scene.folder / "list.json").read_text()
    known = {name: key_of(der) for name, der in certificates(scene).items()}

    def all_signed(text):
        listed = json.loads(text)
        token = jws.JWS()
        token.deserialize(text)
        for one in listed["signatures"]:
            token.verify(known[b64url(json.loads(b64url(one["protected"]))["x5t#S256"]).hex()])

    tally.takes(all_signed, text)
    listed = json.loads(text)
    tally.raises(jws.InvalidJWSSignature, all_signed, json.dumps({**listed, "payload": another(listed["payload"])}))


def requests(scene, tally):
    for person in ("joost", "ana", "ines"):
        text = (scene.folder / f"{person}.request").read_text().strip()
        key = jwk.JWK(kty="OKP", crv="Ed25519", x=payload(text)["key"])
        tally.takes(verified, text, key)
        head, body, signature = text.split(".")
        tally.raises(jws.InvalidJWSSignature, verified, f"{head}.{another(body)}.{signature}", key)


def bag(scene, tally):
    validate = [PYTHON / "python", PYTHON / "bagit.py", "--validate", "--quiet"]
    tally.accept(*validate, scene.bag)
    changed = tally.copy(scene.bag)
    flip(next(path for path in sorted(changed.rglob("*.txt")) if "files" in path.parts), 0)
    tally.refuse("sha256 validation failed", *validate[:-1], changed)
    less = tally.copy(scene.bag)
    next(path for path in less.rglob("video.bin")).unlink()
    tally.refuse("Payload-Oxum validation failed", *validate[:-1], less)
    more = tally.copy(scene.bag)
    (more / "data" / "added.txt").write_text("not listed\n")
    tally.refuse("Payload-Oxum validation failed", *validate[:-1], more)
    tags = tally.copy(scene.bag)
    flip(tags / "custody" / "checkpoint", 0)
    tally.refuse("custody/checkpoint sha256 validation failed", *validate[:-1], tags)


def graph(scene, tally):
    validate = [PYTHON / "case_validate", "--built-version", "case-1.5.0"]
    path = scene.bag / "report" / "case-uco.jsonld"
    tally.accept(*validate, path)
    text = path.read_text()
    for wrong, complaint in [
        (text.replace('"SHA256"', '"BLAKE3"'), "hashMethod"),
        (text.replace('"uco-action:performer": {', '"uco-action:performer": "nobody", "uco-action:environment": {'), "performer"),
    ]:
        if wrong == text:
            raise Disagreed(f"the graph has no {complaint} to change")
        changed = tally.copy(path)
        changed.write_text(wrong)
        tally.refuse(complaint, *validate, changed)


def archive(scene, tally):
    tally.accept("unzip", "-tq", scene.folder / "dossier.zip")
    data = (scene.folder / "dossier.zip").read_bytes()
    tally.refuse("bad CRC", "unzip", "-tq", flip(tally.copy(scene.folder / "dossier.zip"), data.index(b"seen at the station")))
    cut = tally.copy(scene.folder / "dossier.zip")
    cut.write_bytes(data[:-30])
    tally.refuse("End-of-central-directory signature not found", "unzip", "-tq", cut)
    unpacked = tally.spoils / "unpacked"
    tally.accept("unzip", "-q", scene.folder / "dossier.zip", "-d", unpacked)
    tally.accept("diff", "-r", unpacked / "dossier", scene.bag)


def lists(scene, tally):
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        tally.accept("sha256sum", "--check", "--strict", "--quiet", name, cwd=scene.bag)
    changed = tally.copy(scene.bag)
    flip(next(changed.rglob("video.bin")), 1 << 20)
    tally.refuse("video.bin: FAILED", "sha256sum", "--check", "--strict", "--quiet", "manifest-sha256.txt", cwd=changed)
    flip(changed / "bag-info.txt", 0)
    tally.refuse("bag-info.txt: FAILED", "sha256sum", "--check", "--strict", "--quiet", "tagmanifest-sha256.txt", cwd=changed)


def files(scene, tally):
    manifest = json.loads((scene.bag / "data" / "exhibits" / scene.exhibit / "manifest.json").read_text())
    exported = scene.folder / "exported"
    sums = tally.text("b3sums", "".join(f"{one['blake3']}  {name_on_disk(one['path'])}\n" for one in manifest["files"]))
    tally.accept("b3sum", "--check", sums, cwd=exported)
    changed = tally.copy(exported)
    flip(changed / "evidence" / "chat.txt", 3)
    tally.refuse("evidence/chat.txt: FAILED", "b3sum", "--check", sums, cwd=changed)


def name_on_disk(path):
    """The name of an exported file (docs/spec/exhibit.md, Export), for the names of this run."""
    return path.replace("%", "=25")


def objects(scene, tally):
    stored = [path for path in (scene.folder / "server").rglob("*") if path.is_file() and len(path.name) == 64]
    # Two segments and the manifest of the first exhibit, a segment and the manifest of each of the others.
    if len(stored) != 7:
        raise Disagreed(f"the store holds {len(stored)} objects and not seven")
    sums = tally.text("b3sums", "".join(f"{path.name}  {path}\n" for path in stored))
    tally.accept("b3sum", "--check", sums)
    damaged = flip(tally.copy(stored[0]), 100)
    tally.refuse("FAILED", "b3sum", "--check", tally.text("damaged", f"{stored[0].name}  {damaged}\n"))


ROWS = [
    Row("Go `sumdb/note`", "checkpoint", "the log's key signed the note, cosigned or not", "size, root; a note that only the cosigner signed", note),
    Row("Go `sumdb/tlog`", "inclusion proof", "`CheckRecord` of every record of the dossier's exhibit, and of `custodia log prove`", "entry, index, hash, a hash less", inclusion),
    Row("Go `sumdb/tlog`", "consistency proof", "`CheckTree` from an earlier checkpoint of the server to a later one", "hash, a hash less, a hash more", consistency),
    Row("PyPI `aics-witness`", "witness protocol", "is asked by our server, and by hand for two checkpoints; our verifier believes its cosignatures",
        "old size, proof, checkpoint, origin; a cosignature that is changed or missing", witness.judge),
    Row("`openssl ts`", "time stamps", "`-verify` of every stamp in the dossier, which a judge who demands them finds PASSED",
        "the stamped bytes, the stamp; another authority's root", stamps),
    Row("`openssl verify`", "certificates", "roots of the trust list, and each device under its office's root, by `-x509_strict`",
        "signature; another office's root; after its end; issued by a device", chains),
    Row("PyPI `jwcrypto`", "intents", "every intent of the registry and of the exhibit's chain, under the certificate that it names", "payload; another's key", intents),
    Row("PyPI `jwcrypto`", "grants", "the granter signed it", "signature", grants),
    Row("PyPI `jwcrypto`", "trust list", "each office that is named signed it (JSON general serialisation)", "payload", trust_list),
    Row("PyPI `jwcrypto`", "device requests", "the key inside signed it", "payload", requests),
    Row("npm `ts-mls`, `@hpke/core`", "case group, grant, exhibits",
        "a member with its own key packages joins by Welcome, follows a removal, opens the ring rows, opens a grant, signs openings, and unseals an exhibit by grant and one by ring",
        "Welcome, commit, ring row, an earlier ring row, grant, shares, an object; roots without the founder's; another's key package or sealing key", member.judge),
    Row("PyPI `bagit`", "dossier", "`bagit.py --validate`", "a file changed, one less, one more; a tag file changed", bag),
    Row("PyPI `case_validate`", "CASE/UCO", "that the graph keeps the shapes of CASE 1.5.0", "a hash method that the vocabulary has not; a performer that is no object", graph),
    Row("`unzip`", "dossier", "`unzip -t`, and that it unpacks what Python's `zipfile` does", "a byte of a file; its end cut off", archive),
    Row("`sha256sum`", "dossier", "`--check` of payload and tag manifests", "a file, a tag file", lists),
    Row("`b3sum`", "exported files", "`--check` of the digests in the manifest", "a file", files),
    Row("`b3sum`", "stored objects", "the digest of each object is its name", "an object", objects),
]
