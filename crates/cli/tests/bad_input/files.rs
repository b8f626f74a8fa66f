//! Files, forms and texts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use super::{add, command, custodia, form, open, records, run, words, world};
use custodia_tests::world::PASSPHRASE;

/// Somebody who is not root and owns nothing.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread")]
async fn missing_empty_endless_and_foreign_files_are_named_and_nothing_is_done() {
    let (world, case, _) = world().await;
    let size = records(&world).await;
    let at = |name: &str, bytes: &[u8]| {
        let path = world.path(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let empty = at("empty", b"");
    let binary = at("binary", &[0xff, 0xfe, 0x00, 0x9c]);
    let card = at("server.json", &serde_json::to_vec(&world.info).unwrap());
    let folder = world.path("folder");
    fs::create_dir(&folder).unwrap();
    let missing = world.path("missing\u{202e}");
    let zero = PathBuf::from("/dev/zero");
    let form = form(&world);
    let address = world.address().url;
    let files = [&missing, &empty, &binary, &folder, &zero];
    for file in files {
        let commands: [Vec<OsString>; 7] = [
            words!["device", "install", file, "--server", &address, "--card", &card].to_vec(),
            words!["device", "install", &empty, "--server", &address, "--card", file].to_vec(),
            add(case, &form, file).to_vec(),
            words!["log", "verify", file, "--card", &card].to_vec(),
            words!["log", "verify", &card, "--card", file].to_vec(),
            words!["verify", &card, "--trust", file].to_vec(),
            words!["dossier", "attach", file, file].to_vec(),
        ];
        for words in commands {
            let ended = custodia(&world, &words);
            assert!(matches!(ended.code, 2 | 3), "{words:?} {ended:?}");
            assert!(ended.err.contains("custodia: "), "{ended:?}");
            ended.is_harmless();
        }
    }
    custodia(&world, &add(case, &missing, &form)).says(2, &["missing\\u{202e} cannot be read", "Nothing was entered"]);
    custodia(&world, &add(case, &folder, &form)).says(2, &["no file to take in"]);
    custodia(&world, &add(case, &zero, &form)).says(2, &["/dev/zero is a device"]);
    assert_eq!(records(&world).await, size);
    // An empty file is evidence.
    custodia(&world, &add(case, &empty, &form)).says(0, &["Sealed and stored"]);
    assert_eq!(records(&world).await, size + 1);
}

/// Gives a folder and all in it to somebody.
fn give(path: &Path, owner: u32) {
    std::os::unix::fs::chown(path, Some(owner), None).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), owner);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_its_owner_may_not_read_is_named_and_nothing_is_done() {
    let (world, case, _) = world().await;
    let size = records(&world).await;
    let form = form(&world);
    let folder = world.path("closed");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("secret.txt");
    fs::write(&file, b"x").unwrap();
    let home = world.state_of(0, "ana").folder().to_owned();
    let root = fs::metadata(&home).unwrap().uid() == 0;
    // To root no file is closed: the command is run as somebody else, from a place where that one finds it.
    let program = world.path("custodia");
    fs::copy(env!("CARGO_BIN_EXE_custodia"), &program).unwrap();
    let outermost = program.parent().unwrap().to_owned();
    fs::set_permissions(&outermost, fs::Permissions::from_mode(0o755)).unwrap();
    let run_closed = || {
        let mut command = command(&program, &home, &add(case, &folder, &form));
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        run(command, PASSPHRASE)
    };
    if root {
        give(&home, NOBODY);
        fs::set_permissions(home.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    run_closed().says(2, &["secret.txt cannot be read", "ermission denied", "Nothing was entered"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    run_closed().says(2, &["closed cannot be read", "ermission denied"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run_closed().says(0, &["Sealed and stored"]);
    if root {
        give(&home, 0);
    }
    assert_eq!(records(&world).await, size + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_over_their_limits_are_refused_by_name_before_anything_is_sent() {
    let (world, case, exhibit) = world().await;
    let size = records(&world).await;
    let form = form(&world);
    let (case_id, exhibit_id) = (case.to_string(), exhibit.to_string());
    let title = |title: &str| words!["case", "create", "--title", title, "--review", "2031-01-01", "--reason", "x"].to_vec();
    let reason = |reason: &str| words!["exhibit", "open", &case_id, &exhibit_id, "--purpose", "investigation", "--reason", reason].to_vec();
    let reference = |text: &str| [reason("x"), words!["--reference", text].to_vec()].concat();
    let recipient = |text: &str| {
        let to = world.path("out");
        words!["exhibit", "export", &case_id, &exhibit_id, "--to", to, "--recipient", text, "--purpose", "trial", "--reason", "x"].to_vec()
    };
    let collected = |reason: &str| words!["exhibit", "add", &case_id, &form, "--form", &form, "--reason", reason].to_vec();
    let removed = |reason: &str| words!["case", "remove", &case_id, "ro-diicot/recovery", "--reason", reason].to_vec();
    let bad: [(Vec<OsString>, &str); 15] = [
        (title(&"t".repeat(513)), "the case's title"),
        (title(""), "the case's title"),
        (title("two\nlines"), "the case's title"),
        (reason(&"r".repeat(8193)), "the reason"),
        (reason(" \n"), "the reason"),
        (reason("bell\u{7}"), "the reason"),
        (collected(&"r".repeat(8193)), "the reason"),
        (removed(""), "the reason"),
        (reference(&"r".repeat(513)), "the legal reference"),
        (reference("two\nlines"), "the legal reference"),
        (recipient(&"r".repeat(129)), "recipients"),
        (recipient(""), "recipients"),
        (words!["case", "create", "--title", "x", "--review", "31.12.2031", "--reason", "x"].to_vec(), "--review"),
        (words!["case", "add", &case_id, "no office", "--history", "full", "--reason", "x"].to_vec(), "no office"),
        (words!["exhibit", "open", &case_id, &exhibit_id, "--purpose", "curiosity", "--reason", "x"].to_vec(), "curiosity"),
    ];
    for (words, named) in bad {
        custodia(&world, &words).says(2, &[named]);
    }
    // The form: every field has its limit, and the error names the file and the line.
    let text = fs::read_to_string(&form).unwrap();
    let number = format!("exhibit_number = \"{}\"", "n".repeat(65));
    let long = format!("\ntitle = \"{}\"", "t".repeat(513));
    let wrong: [(&str, &str); 9] = [
        ("exhibit_number = \"RO-2\"", &number),
        ("\ntitle = \"A copy\"", &long),
        ("\ntitle = \"A copy\"", "\ntitle = \" \""),
        ("\ntitle = \"A copy\"", "\ntitel = \"A copy\""),
        ("handling = \"H0\"", "handling = \"H9\""),
        ("review_date = \"2031-01-01\"", "review_date = \"2031-02-30\""),
        ("at = \"2026-03-02T10:00:00+02:00\"", "at = \"yesterday\""),
        ("state = \"RO\"", "state = \"Romania\""),
        ("[source] ", "[source"),
    ];
    for (right, wrong) in wrong {
        assert!(text.contains(right), "{right}");
        fs::write(&form, text.replacen(right, wrong, 1)).unwrap();
        custodia(&world, &collected("x")).says(2, &["form.toml", "custodia exhibit add --template"]);
    }
    fs::write(&form, [text.as_bytes(), &vec![b'#'; 17 << 20]].concat()).unwrap();
    custodia(&world, &collected("x")).says(2, &["form.toml: larger than 16 MiB"]);
    assert_eq!(records(&world).await, size);
    assert!(!world.path("out").exists());
    fs::write(&form, text).unwrap();
    custodia(&world, &title(&"t".repeat(512))).says(0, &[]);
    custodia(&world, &reason(&"r".repeat(8192))).says(0, &[]);
    custodia(&world, &collected("x")).says(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_deceive_are_shown_escaped_when_listed_refused_and_written_out() {
    let (world, case, exhibit) = world().await;
    let listed = custodia(&world, &open(case, exhibit));
    listed.says(0, &[]);
    assert!(listed.out.contains("phone/\\u{202e}gpj.exe\\u{a}\\u{1b}[2J"), "{listed:?}");
    // The name as it is shown is also how it is asked for.
    let named = [&open(case, exhibit)[..], &words!["--file", "phone/\\u{202e}gpj.exe\\u{a}\\u{1b}[2J"]].concat();
    assert_eq!(custodia(&world, &named).out.len(), 9_000_000);
    let other = [&open(case, exhibit)[..], &words!["--file", "\u{202e}no\n"]].concat();
    custodia(&world, &other).says(6, &["has no file \\u{202e}no\\u{a}"]);
    let to = world.path("out\u{202e}\n");
    let (case_id, exhibit_id) = (case.to_string(), exhibit.to_string());
    let export =
        words!["exhibit", "export", case_id, exhibit_id, "--to", &to, "--recipient", "Court", "--purpose", "trial", "--reason", "x"];
    let written = custodia(&world, &export);
    written.says(0, &["stands in the log"]);
    assert!(written.out.contains("phone/=E2=80=AEgpj.exe=0A=1B[2J"), "{written:?}");
    custodia(&world, &export).says(8, &["out\\u{202e}\\u{a} exists already", "Nothing was opened"]);
    let link = world.path("phone").join("\u{202e}knil");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    custodia(&world, &add(case, &world.path("phone"), &form(&world))).says(2, &["\\u{202e}knil is a symbolic link", "Nothing was entered"]);
}
