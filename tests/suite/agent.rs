//! Agents of two offices against a real server: sealing, sharing, opening, removal, interruption.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::fs;
use std::path::PathBuf;

use custodia_client::http::HttpError;
use custodia_client::open::Opening;
use custodia_client::passphrase::KeyFile;
use custodia_client::state::{State, keys};
use custodia_client::{Agent, AgentError, Joining};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::finding::Status;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::world::{Must as _, PASSPHRASE, World, case, case_called, exhibit, statement};

/// A folder with a file over a segment's border, an empty one and an oddly named one.
fn evidence(world: &World, name: &str, size: usize) -> PathBuf {
    let folder = world.path(name);
    fs::create_dir_all(folder.join("chat")).unwrap();
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 241).unwrap()).collect();
    fs::write(folder.join("chat/export.txt"), bytes).unwrap();
    fs::write(folder.join("empty"), b"").unwrap();
    fs::write(folder.join("new\nline"), b"odd").unwrap();
    folder
}

pub async fn add(agent: &Agent, world: &World, case: CaseId, name: &str, size: usize) -> ExhibitId {
    let folder = evidence(world, name, size);
    agent.add_exhibit(exhibit(case, &folder, name), |_| {}).await.must().exhibit
}

pub async fn view(agent: &Agent, case: CaseId, exhibit: ExhibitId) -> Result<Vec<u8>, AgentError> {
    let opened = agent.open_exhibit(case, exhibit, Opening::View, Purpose::Investigation, &statement()).await?;
    let mut bytes = Vec::new();
    opened.write_file(0, &mut bytes).await?;
    Ok(bytes)
}

pub async fn join(agent: &Agent, by: &Agent, case: CaseId, terms: Terms, chosen: Vec<ExhibitId>) {
    by.sync().await.must();
    let joining = vec![Joining { device: agent.certificate_id().unwrap(), terms }];
    by.add_members(case, joining, chosen, &statement()).await.must();
    assert_eq!(agent.join_new_cases().await.must(), [case]);
}

/// A case of Ana's in which Luc, of the other office, has everything.
pub async fn case_of_two(world: &World) -> (Agent, Agent, CaseId) {
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    (ana, luc, case)
}

async fn what_one_office_collects_another_exports_bit_for_bit(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let before = add(&ana, &world, case, "before", 9_000_000).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let after = add(&ana, &world, case, "after", 10).await;
    assert_eq!(luc.cases().await.must()[0].title.as_deref(), Some("Operation Lighthouse"));

    for (exhibit, name) in [(before, "before"), (after, "after")] {
        let opening = Opening::Export { recipients: vec!["fr-junalco/luc".to_owned()] };
        let opened = luc.open_exhibit(case, exhibit, opening, Purpose::Prosecution, &statement()).await.must();
        let target = world.path(&format!("export-{name}"));
        opened.export(&target, |_| {}).await.must();
        let original = fs::read(world.path(name).join("chat/export.txt")).unwrap();
        assert!(fs::read(target.join(name).join("chat/export.txt")).unwrap() == original);
        assert_eq!(fs::read(target.join(name).join("empty")).unwrap(), b"");
        let range = 5..original.len() as u64 - 1;
        assert!(opened.read_range(0, range).await.must() == original[5..original.len() - 1]);
    }
}

async fn removed_member_cannot_open_later_exhibit(pair: Pair) {
    let world = World::on(pair).await;
    let (ana, luc, case) = case_of_two(&world).await;
    let shared = add(&ana, &world, case, "shared", 10).await;
    view(&luc, case, shared).await.must();
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    let later = add(&ana, &world, case, "later", 10).await;
    for exhibit in [later, shared] {
        assert!(view(&luc, case, exhibit).await.is_err());
    }
    view(&ana, case, later).await.must();
}

async fn a_member_with_chosen_exhibits_opens_those_and_what_comes_later_only(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let hidden = add(&ana, &world, case, "hidden", 10).await;
    let chosen = add(&ana, &world, case, "chosen", 20).await;
    join(&luc, &ana, case, Terms::Chosen, vec![chosen]).await;
    assert_eq!(view(&luc, case, chosen).await.must().len(), 20);
    assert!(matches!(view(&luc, case, hidden).await, Err(AgentError::NoKey(_) | AgentError::NotEligible(_))));
    let luc_himself = "fr-junalco/luc".parse().unwrap();
    ana.grant_exhibits(case, &luc_himself, &[hidden], Purpose::Prosecution, &statement()).await.must();
    assert_eq!(view(&luc, case, hidden).await.unwrap().len(), 10, "a later grant opens it");
    let later = add(&ana, &world, case, "later", 30).await;
    assert_eq!(view(&luc, case, later).await.must().len(), 30);
}

async fn an_interrupted_intake_goes_on_where_it_ended(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let folder = evidence(&world, "long", 40_000_000);
    let (told, hear) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    {
        let first = ana.add_exhibit(exhibit(case, &folder, "long"), |progress| {
            if progress.segments >= 1
                && let Some(told) = told.lock().unwrap().take()
            {
                let _heard = told.send(());
            }
        });
        tokio::select! {
            done = first => { done.must(); panic!("the intake ended before it could be interrupted") }
            heard = hear => heard.unwrap(),
        }
    }
    drop(ana);
    let ana = world.reopen(0, "ana").await;
    let collected = ana.add_exhibit(exhibit(case, &folder, "long"), |_| {}).await.must();
    assert_eq!(view(&ana, case, collected.exhibit).await.must().len(), 40_000_000);
    assert_eq!(ana.exhibits(case).await.must().len(), 1);
}

async fn changes_by_two_members_reach_each_other_and_a_leaver_is_removed(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    join(&eva, &luc, case, Terms::None, Vec::new()).await;
    ana.refresh(case).await.must();
    luc.leave(case, &statement()).await.must();
    let one = add(&eva, &world, case, "one", 10).await;
    assert_eq!(view(&ana, case, one).await.unwrap().len(), 10);
    // Any next commit removes whoever left.
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    let gone = luc.certificate_id().unwrap();
    assert!(ana.members(case).await.must().iter().all(|member| member.certificate != gone));
    eva.refresh(case).await.must();
    assert_eq!(eva.members(case).await.must(), ana.members(case).await.must());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_more_commits_behind_than_one_answer_holds_catches_up() {
    let world = World::new().await;
    let (ana, luc, case) = case_of_two(&world).await;
    for _ in 0..65 {
        ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    }
    let later = add(&ana, &world, case, "later", 10).await;
    assert_eq!(view(&luc, case, later).await.must().len(), 10);
}

async fn a_case_without_a_recovery_device_of_its_office_is_not_founded(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let recovery = world.reopen(0, "recovery").await;
    world.revoke(0, &recovery).await;
    let new =
        custodia_client::NewCase { title: "x".to_owned(), statement: statement(), review: custodia_tests::world::review(), parent: None };
    assert!(matches!(ana.create_case(new).await, Err(AgentError::NoRecovery(_))));
    assert!(ana.cases().await.must().is_empty());
}

async fn a_state_restored_from_an_older_copy_is_refused(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    ana.close().await.must();
    // Bytes written back into the same file keep its identity, as a rolled-back disk image would.
    let database = world.state_of(0, "ana").database();
    let older = fs::read(&database).unwrap();
    let ana = world.reopen(0, "ana").await;
    add(&ana, &world, case, "one", 10).await;
    ana.close().await.must();
    fs::write(&database, older).unwrap();
    let ana = world.reopen(0, "ana").await;
    assert!(matches!(ana.refresh(case).await, Err(AgentError::Cloned)));
}

/// What a colleague's wrong grant leaves in a closed device's state.
async fn given_a_wrong_share(world: &World, office: usize, local: &str, case: CaseId, exhibit: ExhibitId) {
    let paths = world.state_of(office, local);
    let key = KeyFile::parse(&fs::read(paths.key_file()).unwrap()).unwrap().unlock(PASSPHRASE).unwrap();
    let state = State::open(&paths, &key).await.must();
    keys::put_granted_share(&mut *state.connection().await, case, exhibit, &Secret32::from_bytes([0; 32])).await.must();
    state.close().await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_share_from_a_colleague_does_not_stand_before_a_good_one() {
    let world = World::new().await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let case = case(&ana).await;
    let hidden = add(&ana, &world, case, "hidden", 10).await;
    join(&luc, &ana, case, Terms::None, Vec::new()).await;
    luc.close().await.must();
    given_a_wrong_share(&world, 1, "luc", case, hidden).await;
    let luc = world.reopen(1, "luc").await;
    ana.grant_exhibits(case, &"fr-junalco/luc".parse().unwrap(), &[hidden], Purpose::Prosecution, &statement()).await.must();
    luc.refresh(case).await.must();
    // Which of the two is right nobody knows yet, so neither is passed on.
    luc.sync().await.must();
    let joining = || vec![Joining { device: eva.certificate_id().unwrap(), terms: Terms::Chosen }];
    let early = luc.add_members(case, joining(), vec![hidden], &statement()).await;
    assert!(matches!(&early, Err(AgentError::NotEligible(why)) if why.contains("open it once")), "{early:?}");
    assert_eq!(view(&luc, case, hidden).await.must().len(), 10);
    luc.add_members(case, joining(), vec![hidden], &statement()).await.must();
    assert_eq!(eva.join_new_cases().await.must(), [case]);
    assert_eq!(view(&eva, case, hidden).await.must().len(), 10);
}

async fn who_was_removed_while_away_and_added_again_joins_anew_and_keeps_no_former_grant(pair: Pair) {
    let world = World::on(pair).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let before = add(&ana, &world, case, "before", 10).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    view(&luc, case, before).await.must();
    // All of this while Luc's device is not in touch.
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    let between = add(&ana, &world, case, "between", 20).await;
    join(&luc, &ana, case, Terms::None, Vec::new()).await;
    let after = add(&ana, &world, case, "after", 30).await;
    assert_eq!(view(&luc, case, after).await.must().len(), 30);
    assert!(view(&luc, case, between).await.is_err(), "what came while he was out");
    let former = view(&luc, case, before).await;
    assert!(matches!(&former, Err(AgentError::Http(HttpError::Refused { rule: Some(rule), .. })) if rule == "ACC-05"), "{former:?}");
    ana.grant_exhibits(case, &"fr-junalco/luc".parse().unwrap(), &[before], Purpose::Prosecution, &statement()).await.must();
    view(&luc, case, before).await.must();
    // A replay comes to the same: it would say of a refusal that it cannot repeat it.
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let open: Vec<_> = report.findings.iter().filter(|finding| finding.status != Status::Passed).collect();
    assert!(open.is_empty(), "{open:?}");
}

async fn who_was_added_and_removed_while_away_goes_on_with_other_cases(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let (one, other) = (case(&ana).await, case_called(&ana, "Operation Beacon").await);
    ana.sync().await.must();
    let joining = || vec![Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
    for case in [one, other] {
        ana.add_members(case, joining(), Vec::new(), &statement()).await.must();
    }
    ana.remove_members(one, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    assert_eq!(luc.join_new_cases().await.must(), [other]);
    let own = case_called(&luc, "His own").await;
    assert!(luc.members(own).await.must().len() == 2);
    join(&luc, &ana, one, Terms::Full, Vec::new()).await;
}

on_both_pairs![
    what_one_office_collects_another_exports_bit_for_bit,
    removed_member_cannot_open_later_exhibit,
    a_member_with_chosen_exhibits_opens_those_and_what_comes_later_only,
    an_interrupted_intake_goes_on_where_it_ended,
    changes_by_two_members_reach_each_other_and_a_leaver_is_removed,
    a_case_without_a_recovery_device_of_its_office_is_not_founded,
    a_state_restored_from_an_older_copy_is_refused,
    who_was_removed_while_away_and_added_again_joins_anew_and_keeps_no_former_grant,
    who_was_added_and_removed_while_away_goes_on_with_other_cases,
];
