//! The story, with a text of its own in every place that takes one.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::secrets::{self, Secrets};
use crate::stage::Stage;

/// The planted texts; no two runs have the same.
pub struct Texts {
    mark: String,
    /// In a file of the evidence.
    pub content: String,
    /// Name of that file.
    pub file_name: String,
    /// The name in Ana's certificate: the server sees it.
    pub name: String,
    /// The label of Ana's device, in the same certificate.
    pub label: String,
    /// For whom the dossier was made.
    pub recipient: String,
}

impl Texts {
    pub fn new() -> Self {
        let mark = format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
        let text = |what: &str| format!("canary-{what}-{mark}");
        Self {
            content: text("content"),
            file_name: text("file-name"),
            name: text("person-name"),
            label: text("label"),
            recipient: text("court"),
            mark,
        }
    }

    fn text(&self, what: &str) -> String {
        format!("canary-{what}-{}", self.mark)
    }

    /// What stands in the evidence itself.
    pub fn evidence(&self) -> Vec<String> {
        [vec![self.content.clone(), self.text("late-content")], ["place", "witness", "description"].map(|what| self.text(what)).to_vec()]
            .concat()
    }

    /// What neither the server nor a disk may hold.
    pub fn secret(&self) -> Vec<String> {
        let what = [
            "folder-name",
            "other-name",
            "case-title",
            "exhibit-title",
            "number",
            "seal",
            "collector",
            "device-make",
            "device-serial",
            "method",
            "tool",
            "legal-identifier",
            "legal-authority",
            "found-reason",
            "found-reference",
            "add-reason",
            "collect-reason",
            "collect-reference",
            "open-reason",
            "open-reference",
            "export-reason",
            "dossier-reason",
            "refused-reason",
            "remove-reason",
            "audit-reason",
            "wrong-title",
            "wrong-file",
            "leave-reason",
        ];
        [self.evidence(), vec![self.file_name.clone()], what.map(|what| self.text(what)).to_vec()].concat()
    }

    pub fn passphrase(&self, home: &str) -> String {
        self.text(&format!("{}-phrase", home.trim_end_matches("-fr")))
    }

    pub fn passphrases(&self) -> Vec<String> {
        [
            "office-phrase",
            "ana-phrase",
            "luc-phrase",
            "eva-phrase",
            "recovery-phrase",
            "auditor-phrase",
            "wrong-phrase",
            "auditor-key-phrase",
        ]
        .map(|what| self.text(what))
        .to_vec()
    }

    /// What the README says that the operator sees.
    pub fn shown(&self) -> Vec<&str> {
        vec![&self.name, &self.label, &self.recipient]
    }

    fn form(&self) -> String {
        let t = |what| self.text(what);
        format!(
            "exhibit_number = \"{}\"\ntitle = \"{}\"\ndescription = \"{}\"\nseal_number = \"{}\"\nkind = \"phone_image\"\nhandling = \"H0\"\n\
             person_categories = [\"victim\"]\nspecial_category = true\nchild = false\nreview_date = \"2031-01-01\"\n\
             [collected]\nby = \"{}\"\nat = \"2026-01-01T00:00:00Z\"\nplace = \"{}\"\n[source]\nperson = \"{}\"\n\
             [source.device]\nmake = \"{}\"\nmodel = \"m\"\nserial = \"{}\"\n[acquisition]\nmethod = \"{}\"\ntool = \"{}\"\ntool_version = \"1\"\n\
             [legal_basis]\ntype = \"warrant\"\nidentifier = \"{}\"\nauthority = \"{}\"\nstate = \"RO\"\nvalid_from = \"2026-01-01\"\n\
             [evaluation]\nsource = \"A\"\ninformation = \"1\"\n",
            t("number"),
            t("exhibit-title"),
            t("description"),
            t("seal"),
            t("collector"),
            t("place"),
            t("witness"),
            t("device-make"),
            t("device-serial"),
            t("method"),
            t("tool"),
            t("legal-identifier"),
            t("legal-authority"),
        )
    }
}

/// Longer than three segments, so that an intake can be interrupted between the first and the last.
const LONG: usize = 30_000_000;

/// Offices, server, devices; answers nothing, since everything lies in the folder.
fn prepare(stage: &mut Stage, texts: &Texts) {
    let office = format!("{}\n", texts.text("office-phrase"));
    fs::create_dir(stage.at("offices")).unwrap();
    for (id, country) in [("ro-diicot", "RO"), ("fr-junalco", "FR"), ("eu-audit", "EU")] {
        let folder = stage.path(&format!("offices/{id}"));
        stage.ok("", &office, &["office", "init", &folder, "--id", id, "--country", country, "--name", id]);
    }
    let listed = |id: &str, roles: &str| format!("{}:{roles}", stage.path(&format!("offices/{id}/root.der")));
    let (ro, fr) = (listed("ro-diicot", "prosecutor,recovery"), listed("fr-junalco", "prosecutor,recovery"));
    let eu = listed("eu-audit", "auditor:ro-diicot,fr-junalco");
    let list = stage.path("kept/trust-list.json");
    let pin = stage.ok("", "", &["office", "trust-list", &list, "--threshold", "2", "--office", &ro, "--office", &fr, "--office", &eu]);
    for id in ["ro-diicot", "fr-junalco"] {
        let folder = stage.path(&format!("offices/{id}"));
        stage.ok("", &office, &["office", "sign", &folder, &list]);
    }
    let (server, address) = (stage.path("server"), stage.address().to_owned());
    stage.ok("", "", &["serve", "init", &server, "--listen", &address, "--origin", "canary.example/log", "--trust-pin", &pin]);
    stage.serve();
    let (url, card) = (stage.url(), stage.path("server/server.json"));
    let ro = stage.path("offices/ro-diicot");
    stage.ok("", &office, &["office", "publish", &ro, &list, "--server", &url, "--card", &card]);
    for (home, id, role, name) in [
        ("ana", "ro-diicot", "prosecutor", texts.name.as_str()),
        ("luc", "fr-junalco", "prosecutor", "Luc"),
        ("eva", "ro-diicot", "prosecutor", "Eva"),
        ("recovery", "ro-diicot", "recovery", "R"),
        ("recovery-fr", "fr-junalco", "recovery", "R"),
        ("auditor", "eu-audit", "auditor", "Inge"),
    ] {
        let phrase = phrase(texts, home);
        let label = if home == "ana" { texts.label.as_str() } else { "laptop" };
        let (request, certificate) = (stage.path(&format!("kept/{home}.request")), stage.path(&format!("kept/{home}.der")));
        let (device, person, folder) = (format!("devices/{home}"), format!("{id}/{home}"), stage.path(&format!("offices/{id}")));
        stage.ok(
            &device,
            &phrase,
            &["device", "init", "--person", &person, "--name", name, "--label", label, "--role", role, "--request", &request],
        );
        stage.ok("", &office, &["office", "issue", &folder, &request, &certificate, "--server", &url, "--card", &card]);
        stage.ok(&device, &phrase, &["device", "install", &certificate, "--server", &url, "--card", &card]);
    }
}

/// A person's passphrase, twice for a command that asks again.
fn phrase(texts: &Texts, home: &str) -> String {
    let text = texts.passphrase(home);
    format!("{text}\n{text}\n")
}

/// Plays everything with the server left running; gives the keys that can be known.
pub async fn play(stage: &mut Stage, texts: &Texts) -> Secrets {
    prepare(stage, texts);
    let t = |what| texts.text(what);
    let of = |home| phrase(texts, home);
    let (ana, luc, eva) = (of("ana"), of("luc"), of("eva"));
    let (title, found, reference) = (t("case-title"), t("found-reason"), t("found-reference"));
    let words = ["case", "create", "--title", &title, "--review", "2031-01-01", "--reason", &found, "--reference", &reference];
    let case = stage.ok("devices/ana", &ana, &words);
    let add = t("add-reason");
    stage.ok("devices/ana", &ana, &["case", "add", &case, "fr-junalco/luc", "--history", "full", "--reason", &add]);

    // Evidence: a long file, one with the planted text, names of files and folders.
    let content = [&b"The witness says: "[..], texts.content.as_bytes(), b"\n"].concat();
    let inside = format!("{}/{}.txt", t("folder-name"), texts.file_name);
    stage.give(&format!("evidence/{inside}"), &content);
    let mut long = vec![0; LONG];
    long.chunks_exact_mut(1 << 20).for_each(|chunk| chunk[1..=texts.content.len()].copy_from_slice(texts.content.as_bytes()));
    stage.give(&format!("evidence/{}", t("other-name")), &long);
    let (source, form) = (stage.path("given/evidence"), stage.give("form.toml", texts.form().as_bytes()));
    let statement = [t("collect-reason"), t("collect-reference")];
    let interrupted = secrets::interrupted_intake(stage, texts, &case, &source, &statement).await;
    let words = ["exhibit", "add", &case, &source, "--form", &form, "--reason", &statement[0], "--reference", &statement[1]];
    let exhibit = stage.ok("devices/ana", &ana, &words);
    assert_eq!(exhibit, interrupted.exhibit, "the intake went on where it was interrupted");

    // Openings, an export, a dossier, an audit.
    let shown = format!("evidence/{inside}");
    let (reason, reference) = (t("open-reason"), t("open-reference"));
    let words = [
        "exhibit",
        "open",
        &case,
        &exhibit,
        "--file",
        &shown,
        "--purpose",
        "investigation",
        "--reason",
        &reason,
        "--reference",
        &reference,
    ];
    assert!(stage.ok("devices/luc", &luc, &words).contains(&texts.content));
    let (export, reason) = (stage.path("export"), t("export-reason"));
    let words = [
        "exhibit",
        "export",
        &case,
        &exhibit,
        "--to",
        &export,
        "--recipient",
        "fr-junalco/luc",
        "--purpose",
        "prosecution",
        "--reason",
        &reason,
    ];
    stage.ok("devices/luc", &luc, &words);
    let (dossier, reason) = (stage.path("dossier.zip"), t("dossier-reason"));
    let words =
        ["dossier", "make", &case, &exhibit, "--to", &dossier, "--recipient", &texts.recipient, "--purpose", "trial", "--reason", &reason];
    stage.ok("devices/ana", &ana, &words);

    // A late joiner is granted nothing, is refused, and is removed.
    let late = t("late-content");
    let late_source = stage.give("late.txt", late.as_bytes());
    stage.ok("devices/ana", &ana, &["case", "add", &case, "ro-diicot/eva", "--history", "none", "--reason", &add]);
    let later = stage.ok("devices/luc", &luc, &["exhibit", "add", &case, &late_source, "--form", &form, "--reason", &statement[0]]);
    let refused = t("refused-reason");
    stage.fails("devices/eva", &eva, &["exhibit", "open", &case, &exhibit, "--purpose", "investigation", "--reason", &refused]);
    stage.ok("devices/eva", &eva, &["exhibit", "open", &case, &later, "--purpose", "investigation", "--reason", &refused]);
    let eva_id = stage.ok("devices/ana", &ana, &["case", "show", &case, "--json"]);
    assert!(eva_id.contains("eva"), "{eva_id}");
    let remove = t("remove-reason");
    stage.ok("devices/ana", &ana, &["case", "remove", &case, "ro-diicot/eva", "--reason", &remove]);
    stage.fails("devices/eva", &eva, &["exhibit", "open", &case, &later, "--purpose", "investigation", "--reason", &refused]);

    mistakes(stage, texts, &case, &exhibit);
    audit(stage, texts);
    let leave = t("leave-reason");
    stage.ok("devices/luc", &luc, &["case", "leave", &case, "--reason", &leave]);
    secrets::collect(stage, texts, &case, &interrupted).await
}

/// What people get wrong, and what fails.
fn mistakes(stage: &mut Stage, texts: &Texts, case: &str, exhibit: &str) {
    let ana = phrase(texts, "ana");
    let (wrong, title, file) = (texts.text("wrong-phrase"), texts.text("wrong-title"), texts.text("wrong-file"));
    stage.fails("devices/ana", &format!("{wrong}\n"), &["case", "list"]);
    stage.fails("devices/ana", &ana, &["case", "show", &title]);
    let words = ["exhibit", "open", case, exhibit, "--file", &file, "--purpose", "investigation", "--reason", &file];
    stage.fails("devices/ana", &ana, &words);
    let link = stage.at("given").join(texts.text("other-name"));
    std::os::unix::fs::symlink("/", &link).unwrap();
    let (link, form) = (link.display().to_string(), stage.path("given/form.toml"));
    stage.fails("devices/ana", &ana, &["exhibit", "add", case, &link, "--form", &form, "--reason", &file]);
    let broken = stage.give("broken.toml", format!("title = \"{}\"\n{} = 1\n", texts.text("exhibit-title"), texts.text("seal")).as_bytes());
    stage.fails("devices/ana", &ana, &["exhibit", "add", case, &link, "--form", &broken, "--reason", &file]);
    let there = stage.path("export");
    stage.fails(
        "devices/ana",
        &ana,
        &["exhibit", "export", case, exhibit, "--to", &there, "--recipient", "x", "--purpose", "trial", "--reason", &file],
    );
}

/// An auditor replays the log, reasons included, and cosigns; a judge verifies.
fn audit(stage: &mut Stage, texts: &Texts) {
    let (own, key) = (texts.text("auditor-phrase"), texts.text("auditor-key-phrase"));
    let (folder, checkpoint) = (stage.path("kept/auditor-key"), stage.path("kept/checkpoint"));
    let vkey = stage.ok("", &format!("{key}\n{key}\n"), &["audit", "key", &folder, "--name", "canary.example/auditor"]);
    let reason = texts.text("audit-reason");
    let words = ["audit", "--purpose", "lawfulness-check", "--reason", &reason, "--cosign", &folder, "--checkpoint", &checkpoint];
    let read = stage.ok("devices/auditor", &format!("{own}\n{key}\n"), &words);
    assert!(read.contains(&texts.text("open-reason")), "the auditor reads reasons");
    let card: serde_json::Value = serde_json::from_str(&fs::read_to_string(stage.at("server/server.json")).unwrap()).unwrap();
    let trust = format!(
        "origin = {}\nlog = {}\ntrust_pin = {}\npolicy = \"\"\"\nwitness auditor {vkey}\nquorum auditor\n\"\"\"\n",
        card["origin"], card["log_key"], card["trust_pin"]
    );
    let (dossier, ana) = (stage.path("dossier.zip"), phrase(texts, "ana"));
    stage.ok("devices/ana", &ana, &["dossier", "attach", &dossier, &checkpoint]);
    let trust = stage.give("trust.toml", trust.as_bytes());
    stage.ok("", "", &["verify", &dossier, "--trust", &trust]);
}
