//! The story: two states found a case, share evidence, let a late joiner see two of three exhibits, and remove her again.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use custodia_core::digest::Sha256Digest;

use crate::failure::{Code, Exit, Failure};

use super::evidence::Evidence;
use super::stage::{Stage, tell};

/// What the work left behind.
pub struct Work {
    /// The case's id.
    pub case: String,
    /// The exhibits' ids.
    pub exhibits: Vec<String>,
}

/// Folder of each person's device, office and person id, shown name, role.
const PEOPLE: [(&str, &str, &str, &str, &str); 6] = [
    ("joost", "nl", "nl-om/joost.devries", "Joost de Vries", "prosecutor"),
    ("marieke", "nl", "nl-om/marieke.bos", "Marieke Bos", "prosecutor"),
    ("nl-recovery", "nl", "nl-om/recovery", "Recovery of nl-om", "recovery"),
    ("ana", "ro", "ro-diicot/ana.pop", "Ana Pop", "prosecutor"),
    ("ro-recovery", "ro", "ro-diicot/recovery", "Recovery of ro-diicot", "recovery"),
    ("auditor", "eu", "eu-audit/inge.lund", "Inge Lund", "auditor"),
];

fn failed(text: &str) -> Failure {
    Failure::new(Code::DemoFailed, text, "")
}

/// Offices, trust list, server, devices.
pub fn prepare(stage: &mut Stage) -> Result<(), Failure> {
    stage.part("Offices say who is who");
    for (folder, id, country, name) in [
        ("nl", "nl-om", "NL", "Openbaar Ministerie"),
        ("ro", "ro-diicot", "RO", "DIICOT"),
        ("eu", "eu-audit", "EU", "Supervisory Authority"),
    ] {
        stage.ok("", &["office", "init", &stage.path(folder), "--id", id, "--country", country, "--name", name])?;
    }
    let listed = |folder: &str, roles: &str| format!("{}:{roles}", stage.path(&format!("{folder}/root.der")));
    let (nl, ro) = (listed("nl", "prosecutor,recovery"), listed("ro", "prosecutor,recovery"));
    let eu = listed("eu", "auditor:nl-om,ro-diicot");
    let list = stage.path("trust-list.json");
    let words = ["office", "trust-list", &list, "--threshold", "2", "--office", &nl, "--office", &ro, "--office", &eu];
    let pin = stage.ok("", &words)?;
    for folder in ["nl", "ro"] {
        stage.ok("", &["office", "sign", &stage.path(folder), &list])?;
    }
    tell("Two prosecution offices and a supervisory authority made their roots; two of them signed the trust list.");

    stage.part("The server starts");
    let words = ["serve", "init", &stage.path("server"), "--listen", &stage.address, "--origin", "demo.custodia/log", "--trust-pin", &pin];
    let log_key = stage.ok("", &words)?;
    let auditor_key = stage.ok("", &["audit", "key", &stage.path("auditor-key"), "--name", "eu-audit.demo/auditor"])?;
    let trust = format!(
        "origin = \"demo.custodia/log\"\nlog = \"{log_key}\"\ntrust_pin = \"{pin}\"\npolicy = \"\"\"\nwitness auditor {auditor_key}\nquorum auditor\n\"\"\"\n"
    );
    let file = stage.trust_file();
    fs::write(&file, trust).map_err(|error| Failure::file(&file, &error))?;
    tell(&format!(
        "Before it took a request, the judge wrote down what a court pins, and keeps it elsewhere ({}): the log's key, the trust list's pin, the auditor.",
        file.display()
    ));
    stage.start_server("server")?;
    let (url, card) = (stage.url(), stage.path("server/server.json"));
    stage.ok("", &["office", "publish", &stage.path("nl"), &list, "--server", &url, "--card", &card])?;
    tell("It holds no key of anybody. Its log begins with the trust list that everybody pinned.");

    stage.part("Devices make their keys; offices certify and announce them");
    for (home, office, person, name, role) in PEOPLE {
        let (request, certificate) = (stage.path(&format!("{home}.request")), stage.path(&format!("{home}.der")));
        stage.ok(home, &["device", "init", "--person", person, "--name", name, "--role", role, "--request", &request])?;
        stage.ok("", &["office", "issue", &stage.path(office), &request, &certificate, "--server", &url, "--card", &card])?;
        stage.ok(home, &["device", "install", &certificate, "--server", &url, "--card", &card])?;
        tell(&format!("{name}, {role}: enrolled in the log."));
    }
    Ok(())
}

/// The case: founding, sharing, opening, a late joiner, a removal.
pub fn work(stage: &Stage, evidence: &Evidence) -> Result<Work, Failure> {
    stage.part("Two states found a case");
    let reason = ["--reason", "Joint investigation, file 0000/2026"];
    let mut words = vec!["case", "create", "--title", "Operation Exemplu", "--review", "2027-12-01"];
    words.extend(reason);
    let case = stage.ok("joost", &words)?;
    let mut words = vec!["case", "add", &case, "ro-diicot/ana.pop", "--history", "full"];
    words.extend(reason);
    stage.ok("joost", &words)?;
    tell("Joost (Netherlands) founded it and added Ana (Romania); each office's recovery device is a visible member.");

    stage.part("Evidence is sealed on their own devices");
    let mut ids = Vec::new();
    for (number, exhibit) in evidence.exhibits.iter().enumerate() {
        let home = if number == 1 { "ana" } else { "joost" };
        let form = stage.path(&exhibit.form);
        let mut words: Vec<OsString> = ["exhibit", "add", &case].map(OsString::from).to_vec();
        words.extend(exhibit.sources.iter().map(|path| path.clone().into_os_string()));
        // Somebody who gives one file alone sees it in every part: each time as an exhibit of its own.
        words.extend(["--fresh", "--form", &form, "--reason", "Collected under the agreement"].map(OsString::from));
        ids.push(stage.ok(home, &words)?);
        tell(&format!("{home} sealed {}: the server holds ciphertext under hash names.", exhibit.name));
    }

    stage.part("Opening asks for a purpose and a reason, and is on record first");
    let open = |home: &str, exhibit: &str| {
        stage.ok(home, &["exhibit", "open", &case, exhibit, "--purpose", "investigation", "--reason", "Reading the material"])
    };
    let files = open("ana", &ids[0])?;
    let files = match files.lines().count().saturating_sub(1) {
        1 => "1 file".to_owned(),
        number => format!("{number} files"),
    };
    tell(&format!("Ana opened the first exhibit of Joost's: {files}. Her entry stood in the log before she got the key."));
    let target = stage.path("export");
    let words = [
        "exhibit",
        "export",
        &case,
        &ids[0],
        "--to",
        &target,
        "--recipient",
        "ro-diicot/ana.pop",
        "--purpose",
        "prosecution",
        "--reason",
        "Copy for the file",
    ];
    stage.ok("ana", &words)?;
    same_bytes(&evidence.exhibits[0].sources, Path::new(&target))?;
    tell("She wrote its files out: bit for bit what Joost had collected.");

    stage.part("A late joiner gets two of three exhibits");
    let words = [
        "case",
        "add",
        &case,
        "nl-om/marieke.bos",
        "--history",
        "chosen",
        "--exhibit",
        &ids[0],
        "--exhibit",
        &ids[1],
        "--reason",
        "Second prosecutor",
    ];
    stage.ok("joost", &words)?;
    open("marieke", &ids[0])?;
    let open_third = ["exhibit", "open", &case, &ids[2], "--purpose", "investigation", "--reason", "Reading the material"];
    stage.refused("marieke", &open_third, Exit::NotPermitted)?;
    tell("Marieke opened the first; the third was refused to her.");

    stage.part("A removed member opens nothing more");
    stage.ok("joost", &["case", "remove", &case, "nl-om/marieke.bos", "--reason", "Moved to another unit"])?;
    let open_second = ["exhibit", "open", &case, &ids[1], "--purpose", "investigation", "--reason", "One more look"];
    let why = stage.refused("marieke", &open_second, Exit::NotPermitted)?;
    tell(&format!("Marieke was removed and tried the second, which she was given and had never opened: {why}"));
    open("joost", &ids[1])?;
    tell("Joost still opens it.");
    Ok(Work { case, exhibits: ids })
}

/// What the rules hold up: a handling code without consent, an erasure under a hold.
pub fn custody(stage: &Stage, work: &Work) -> Result<(), Failure> {
    stage.part("Handling codes and holds are kept");
    let (case, exhibit) = (work.case.as_str(), work.exhibits[0].as_str());
    let act = |words: &[&'static str]| [&["exhibit", words[0], case, exhibit], &words[1..]].concat();
    stage.ok("joost", &act(&["alter", "--handling", "H1", "--reason", "The source asks for it"]))?;
    let dossier = dossier_words(work, &stage.path("too-early.zip"));
    let why = stage.refused("joost", &dossier, Exit::NotPermitted)?;
    tell(&format!("An exhibit of code H1 goes into no dossier: {why}"));
    stage.ok("joost", &act(&["consent", "--to", "judicial-use", "--reason", "The source agreed"]))?;
    stage.ok("ana", &act(&["hold", "--reason", "Needed in a trial in Romania"]))?;
    let erase = act(&["erase", "--purpose", "investigation", "--reason", "No longer needed here"]);
    let why = stage.refused("joost", &erase, Exit::NotPermitted)?;
    tell(&format!("Its office consented, so now it may. Ana placed a hold, and Joost cannot have it erased: {why}"));
    Ok(())
}

fn dossier_words(work: &Work, target: &str) -> Vec<String> {
    let words = ["dossier", "make", &work.case, &work.exhibits[0], "--to", target, "--recipient", "Court of first instance"];
    let why = ["--purpose", "trial", "--reason", "Indictment 0000/2026"];
    words.into_iter().chain(why).map(str::to_owned).collect()
}

/// A judge verifies a dossier offline, an auditor replays the log.
pub fn judge(stage: &Stage, work: &Work) -> Result<(), Failure> {
    stage.part("A dossier goes to court; the judge trusts nobody for it");
    let (dossier, trust) = (stage.path("dossier.zip"), stage.trust_file().display().to_string());
    stage.ok("joost", &dossier_words(work, &dossier))?;
    let verdict = stage.verdict(&dossier, &trust, 3)?;
    if !verdict.starts_with("INDETERMINATE") {
        return Err(failed(&format!("a fresh dossier was to be INDETERMINATE: {verdict}")));
    }
    tell(&format!("Fresh from the prosecutor: {verdict}"));

    stage.part("An auditor replays the whole log and cosigns");
    let (key, cosigned) = (stage.path("auditor-key"), stage.path("cosigned-checkpoint"));
    let words =
        ["audit", "--json", "--purpose", "lawfulness-check", "--reason", "Yearly supervision", "--cosign", &key, "--checkpoint", &cosigned];
    let report: serde_json::Value = serde_json::from_str(&stage.ok("auditor", &words)?).map_err(|error| failed(&error.to_string()))?;
    let entries = report["entries"].as_array().map_or(&[][..], Vec::as_slice);
    tell(&format!(
        "{} entries: who did what, when and why. Every chain, signature, certificate and rule holds. Of those refused:",
        entries.len()
    ));
    let refused: Vec<String> = entries.iter().filter_map(refusal).collect();
    if refused.is_empty() {
        return Err(failed("the auditor does not see the attempts that were refused"));
    }
    for line in refused {
        tell(&line);
    }
    stage.ok("joost", &["dossier", "attach", &dossier, &cosigned, "--trust", &trust])?;
    let verdict = stage.verdict(&dossier, &trust, 0)?;
    tell(&format!("The same dossier with the auditor's cosignature: {verdict}"));
    Ok(())
}

/// A refused act, as the auditor reads it.
fn refusal(entry: &serde_json::Value) -> Option<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (rule, reason) = (entry["refused_by"].as_str()?, text(&entry["stated"]["text"]["reason"]));
    let (time, name, person, kind) = (text(&entry["time"]), text(&entry["name"]), text(&entry["person"]), text(&entry["kind"]));
    Some(format!("record {}, {time}: {name} ({person}), {kind}, refused by {rule}. Stated reason: \"{reason}\"", entry["index"]))
}

/// Compares what was written out with the sources: the same files, byte for byte. Names that a file system cannot take were mapped.
fn same_bytes(sources: &[PathBuf], target: &Path) -> Result<(), Failure> {
    let collected = digests(sources)?;
    let written = digests(&[target.to_owned()])?;
    if collected.is_empty() || collected != written {
        Err(failed("the files written out are not those that were collected"))
    } else {
        Ok(())
    }
}

/// The SHA-256 of every file below some paths, in order.
fn digests(paths: &[PathBuf]) -> Result<Vec<Sha256Digest>, Failure> {
    let mut digests = Vec::new();
    let mut waiting = paths.to_vec();
    while let Some(path) = waiting.pop() {
        let io = |error: std::io::Error| Failure::file(&path, &error);
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(io)? {
                waiting.push(entry.map_err(io)?.path());
            }
        } else {
            digests.push(Sha256Digest::of(&[&fs::read(&path).map_err(io)?]));
        }
    }
    digests.sort_unstable();
    Ok(digests)
}
