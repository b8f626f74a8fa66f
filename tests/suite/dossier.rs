//! A dossier made by an agent against a real server, before a judge's verifier: whole, and with single bits changed.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod kept;

use custodia_client::Agent;
use custodia_client::dossier::{Language, NewDossier, Transmission};
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::Files;
use custodia_core::finding::Verdict;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use custodia_verify::archive::Archive;
use custodia_verify::{Report, Trust};
use std::fs;
use std::io::Cursor;

/// What a judge pins who knows no auditor.
pub fn trust(world: &World) -> Trust {
    let info = &world.info;
    let text = format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\n", info.origin, info.log_key, info.trust_pin);
    Trust::parse(&text).unwrap()
}

pub fn verify(bytes: &[u8], trust: &Trust) -> Report {
    custodia_verify::verify(Cursor::new(bytes), trust).unwrap()
}

/// A dossier of one small exhibit.
async fn dossier(world: &World) -> Vec<u8> {
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let folder = world.path("evidence");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), b"seen at the station").unwrap();
    let collected = ana.add_exhibit(exhibit(case, &folder, "note"), |_| {}).await.must();
    dossier_of(world, &ana, case, collected.exhibit).await
}

/// A dossier of an exhibit that was collected before.
pub async fn dossier_of(world: &World, agent: &Agent, case: CaseId, exhibit: ExhibitId) -> Vec<u8> {
    let new = NewDossier {
        case,
        exhibits: vec![exhibit],
        recipients: vec!["Court".to_owned()],
        purpose: Purpose::Trial,
        statement: statement(),
        files: Files::Included,
        withheld: Vec::new(),
        languages: Language::ALL.to_vec(),
        report_program: None,
        transmission: Transmission::default(),
        trust: None,
        wait: std::time::Duration::ZERO,
        target: world.path("dossier.zip"),
    };
    let made = agent.make_dossier(&new, &|_| {}).await.must();
    fs::read(made.path).unwrap()
}

async fn a_dossier_without_an_auditor_is_indeterminate_and_any_changed_content_fails_it(pair: Pair) {
    let world = World::on(pair).await;
    let (bytes, trust) = (dossier(&world).await, trust(&world));
    let whole = verify(&bytes, &trust);
    assert_eq!(whole.verdict, Verdict::Indeterminate, "{}", whole.to_text(true));
    assert_eq!(whole.first_obstacle().unwrap().check, "LOG-03");

    let mut archive = Archive::open(Cursor::new(&bytes)).unwrap();
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let content = archive.read(&name, 1 << 20).unwrap().unwrap();
        let start = bytes.windows(content.len()).position(|window| window == content).unwrap();
        for at in [0, content.len() / 2, content.len() - 1] {
            let mut changed = bytes.clone();
            changed[start + at] ^= 1;
            let report = verify(&changed, &trust);
            assert_eq!(report.verdict, Verdict::Failed, "byte {at} of {name}: {}", report.sentence());
        }
    }
}

async fn a_judge_who_pins_another_log_or_trust_list_is_not_deceived(pair: Pair) {
    let world = World::on(pair).await;
    let bytes = dossier(&world).await;
    let info = &world.info;
    let other_pin = format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\n", info.origin, info.log_key, "0".repeat(64));
    let report = verify(&bytes, &Trust::parse(&other_pin).unwrap());
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.findings.iter().any(|finding| finding.check == "TRU-01"), "{}", report.to_text(true));
}

on_both_pairs![
    a_dossier_without_an_auditor_is_indeterminate_and_any_changed_content_fails_it,
    a_judge_who_pins_another_log_or_trust_list_is_not_deceived,
];
