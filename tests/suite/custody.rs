//! Acts on exhibits that open nothing: each takes effect, each is refused to whom it is not given, and a replay and a judge agree.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::io::Cursor;

use custodia_client::custody::CustodyAct;
use custodia_client::dossier::{Language, NewDossier, Transmission};
use custodia_client::http::HttpError;
use custodia_client::log_view::Entry;
use custodia_client::open::Opening;
use custodia_client::seal::NewExhibit;
use custodia_client::{Agent, AgentError, Joining, NewCase};
use custodia_core::custody::body::{ConsentTo, DerivedHow, Handling, Terms, TransferMeans};
use custodia_core::custody::facts::ExhibitState;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::dossier::Files;
use custodia_core::exhibit::intake::{DerivationForm, DerivedFrom, HandlingCode};
use custodia_core::finding::Status;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::world::{Must as _, World, case, exhibit, review, statement};
use custodia_verify::Trust;

/// Two offices, an auditor, a case of Ana's that Luc has joined, and one exhibit of Ana's.
struct Stage {
    world: World,
    ana: Agent,
    luc: Agent,
    auditor: Agent,
    case: CaseId,
    exhibit: ExhibitId,
}

impl Stage {
    async fn new(handling: HandlingCode) -> Box<Self> {
        Box::pin(Self::set_up(handling)).await
    }

    async fn set_up(handling: HandlingCode) -> Box<Self> {
        let world = World::new().await;
        let auditor = world.device(0, "auditor", Role::Auditor).await;
        let ana = world.device(0, "ana", Role::Prosecutor).await;
        let luc = world.device(1, "luc", Role::Prosecutor).await;
        let case = case(&ana).await;
        join(&luc, &ana, case).await;
        let exhibit = collect(&world, &ana, case, "note", handling, None).await.must();
        Box::new(Self { world, ana, luc, auditor, case, exhibit })
    }

    async fn act(&self, agent: &Agent, act: CustodyAct) -> Result<Entry, AgentError> {
        agent.act_on_exhibit(self.case, self.exhibit, act, &statement()).await
    }

    async fn opens(&self, agent: &Agent, purpose: Purpose) -> Result<(), AgentError> {
        agent.open_exhibit(self.case, self.exhibit, Opening::View, purpose, &statement()).await.map(drop)
    }

    async fn dossier(&self, agent: &Agent, name: &str) -> Result<Vec<u8>, AgentError> {
        let new = NewDossier {
            case: self.case,
            exhibits: vec![self.exhibit],
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
            target: self.world.path(name),
        };
        agent.make_dossier(&new, &|_| {}).await.map(|made| fs::read(made.path).unwrap())
    }

    /// What the vault says of the exhibit, its chain verified.
    async fn state(&self) -> ExhibitState {
        self.luc.exhibit_status(self.case, self.exhibit).await.must().standing.state
    }

    /// Ends the devices' work, so that nothing of theirs is still being written when the test's process ends.
    async fn close(self: Box<Self>) {
        for agent in [self.ana, self.luc, self.auditor] {
            agent.close().await.must();
        }
    }

    /// Replays the whole log; nothing in it may be wrong.
    async fn audit(&self) {
        let report = self.auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
        let failed: Vec<_> = report.failed().collect();
        assert!(failed.is_empty(), "{failed:?}");
        let server = self.luc.exhibits(self.case).await.must();
        for row in server {
            let replayed = report.replay().world().exhibit(row.exhibit).unwrap();
            assert_eq!((row.held, row.handling), (!replayed.holds.is_empty(), replayed.handling), "the server's word is the replay's");
            assert_eq!(serde_json::to_value(row.state).unwrap(), format!("{:?}", replayed.state).to_lowercase());
        }
    }
}

async fn join(agent: &Agent, by: &Agent, case: CaseId) {
    by.sync().await.must();
    let joining = vec![Joining { device: agent.certificate_id().unwrap(), terms: Terms::Full }];
    by.add_members(case, joining, Vec::new(), &statement()).await.must();
    assert_eq!(agent.join_new_cases().await.must(), [case]);
}

async fn collect(
    world: &World,
    agent: &Agent,
    case: CaseId,
    name: &str,
    handling: HandlingCode,
    derived_from: Option<DerivedFrom>,
) -> Result<ExhibitId, AgentError> {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), format!("seen at the station: {name}")).unwrap();
    let new = exhibit(case, &folder, name);
    let intake = custodia_core::exhibit::intake::Intake { handling, derived_from, ..new.intake };
    agent.add_exhibit(NewExhibit { intake, ..new }, |_| {}).await.map(|collected| collected.exhibit)
}

/// The act stands in the log as refused by this rule.
#[track_caller]
fn refused_by<T>(rule: &str, result: Result<T, AgentError>) {
    let (found, shown) = match result {
        Err(AgentError::Http(HttpError::Refused { rule, .. })) => (rule, String::new()),
        Err(other) => (None, other.to_string()),
        Ok(_) => (None, "it was done".to_owned()),
    };
    assert_eq!(found.as_deref(), Some(rule), "{shown}");
}

fn erasure() -> (CustodyAct, CustodyAct) {
    let purpose = Purpose::VictimProtection;
    (CustodyAct::ProposeErasure { purpose }, CustodyAct::ConfirmErasure { purpose })
}

fn trust(world: &World) -> Trust {
    let info = &world.info;
    let text = format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\n", info.origin, info.log_key, info.trust_pin);
    Trust::parse(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_h1_exhibit_reaches_court_only_after_its_originator_consented() {
    let stage = Stage::new(HandlingCode::H1).await;
    let consent = || CustodyAct::Consent { to: ConsentTo::JudicialUse, recipients: vec!["Court".to_owned()] };
    assert!(matches!(stage.dossier(&stage.luc, "early.zip").await, Err(AgentError::NotEligible(why)) if why.contains("ACC-06")));
    refused_by("ACC-09", stage.act(&stage.luc, consent()).await);
    let other_use = CustodyAct::Consent { to: ConsentTo::Onward, recipients: Vec::new() };
    stage.act(&stage.ana, other_use).await.must();
    assert!(stage.dossier(&stage.luc, "other-use.zip").await.is_err(), "consent to another use lifts nothing");
    stage.act(&stage.ana, consent()).await.must();
    let bytes = stage.dossier(&stage.luc, "dossier.zip").await.must();
    let report = custodia_verify::verify(Cursor::new(&bytes), &trust(&stage.world)).unwrap();
    let failed: Vec<_> = report.findings.iter().filter(|finding| finding.status == Status::Failed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let shown = report.to_text(true);
    assert!(shown.contains("consent.give"), "{shown}");
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_h2_exhibit_is_passed_on_only_after_its_originator_consented() {
    let stage = Stage::new(HandlingCode::H2).await;
    let transfer =
        || CustodyAct::Transfer { means: TransferMeans::Usb, recipients: vec!["Europol".to_owned()], purpose: Purpose::MutualAssistance };
    refused_by("ACC-07", stage.act(&stage.luc, transfer()).await);
    let person = "fr-junalco/luc".parse().unwrap();
    let (exhibits, why) = ([stage.exhibit], statement());
    let grant = || stage.ana.grant_exhibits(stage.case, &person, &exhibits, Purpose::Prosecution, &why);
    refused_by("ACC-07", grant().await);
    stage.act(&stage.ana, CustodyAct::Consent { to: ConsentTo::Onward, recipients: Vec::new() }).await.must();
    stage.act(&stage.luc, transfer()).await.must();
    grant().await.must();
    let entries = stage.luc.case_log(stage.case).await.must().entries;
    let told = entries.iter().rev().find(|entry| entry.form.as_deref() == Some("transfer (usb)")).unwrap();
    assert_eq!((told.purpose, told.recipients.as_slice()), (Some(Purpose::MutualAssistance), &["Europol".to_owned()][..]));
    let granted = entries.iter().rev().find(|entry| entry.form.as_deref() == Some("grant") && entry.accepted()).unwrap();
    assert_eq!(granted.purpose, Some(Purpose::Prosecution), "a grant names the purpose given");
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhibit_is_erased_by_two_persons_and_never_under_a_hold() {
    let stage = Stage::new(HandlingCode::H0).await;
    let (propose, confirm) = erasure();
    assert!(matches!(stage.act(&stage.luc, confirm.clone()).await, Err(AgentError::NotEligible(_))), "nothing to confirm");
    refused_by("ACC-09", stage.act(&stage.luc, propose.clone()).await);
    stage.act(&stage.ana, propose.clone()).await.must();
    refused_by("ACC-12", stage.act(&stage.ana, confirm.clone()).await);
    stage.opens(&stage.luc, Purpose::Investigation).await.must();

    stage.act(&stage.luc, CustodyAct::PlaceHold).await.must();
    stage.act(&stage.ana, CustodyAct::PlaceHold).await.must();
    stage.act(&stage.ana, CustodyAct::LiftHold).await.must();
    refused_by("ACC-13", stage.act(&stage.ana, CustodyAct::LiftHold).await);
    refused_by("ACC-08", stage.act(&stage.luc, confirm.clone()).await);
    refused_by("ACC-08", stage.act(&stage.ana, propose).await);
    assert_eq!(stage.state().await, ExhibitState::Active);
    stage.audit().await;

    stage.act(&stage.luc, CustodyAct::LiftHold).await.must();
    stage.act(&stage.luc, confirm).await.must();
    assert_eq!(stage.state().await, ExhibitState::Erased);
    for agent in [&stage.ana, &stage.luc] {
        refused_by("ACC-04", stage.opens(agent, Purpose::Trial).await);
        refused_by("ACC-04", stage.act(agent, CustodyAct::PlaceHold).await);
    }
    let objects = stage.world.path("server/objects").join(stage.exhibit.to_string());
    assert_eq!(fs::read_dir(objects).unwrap().count(), 0, "its objects are gone");
    let status = stage.luc.exhibit_status(stage.case, stage.exhibit).await.must();
    let kinds: Vec<_> = status.entries.iter().filter(|entry| entry.accepted()).map(|entry| entry.kind).collect();
    assert_eq!(kinds.first(), Some(&Kind::Collection), "its entries stay");
    assert_eq!(kinds.last(), Some(&Kind::Erasure));
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_exhibit_opens_for_proceedings_only() {
    let stage = Stage::new(HandlingCode::H0).await;
    stage.act(&stage.luc, CustodyAct::PlaceRestriction).await.must();
    refused_by("ACC-04", stage.opens(&stage.ana, Purpose::Investigation).await);
    let transfer =
        CustodyAct::Transfer { means: TransferMeans::Courier, recipients: vec!["Lab".to_owned()], purpose: Purpose::Investigation };
    refused_by("ACC-04", stage.act(&stage.ana, transfer).await);
    stage.opens(&stage.ana, Purpose::Trial).await.must();
    stage.dossier(&stage.ana, "dossier.zip").await.must();
    stage.audit().await;
    stage.act(&stage.ana, CustodyAct::LiftRestriction).await.must();
    stage.opens(&stage.ana, Purpose::Investigation).await.must();
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_originator_changes_the_handling_code_and_everybody_the_review() {
    let stage = Stage::new(HandlingCode::H0).await;
    let alter = |handling, review| CustodyAct::Alter { handling, review };
    assert!(matches!(stage.act(&stage.ana, alter(None, None)).await, Err(AgentError::Input { .. })));
    refused_by("ACC-09", stage.act(&stage.luc, alter(Some(Handling::H0), None)).await);
    stage.act(&stage.ana, alter(Some(Handling::H1), None)).await.must();
    assert!(stage.dossier(&stage.luc, "dossier.zip").await.is_err(), "H1 bars it from now on");
    stage.act(&stage.luc, alter(None, Some(review()))).await.must();
    let standing = stage.luc.exhibit_status(stage.case, stage.exhibit).await.must().standing;
    assert_eq!((standing.handling, standing.review.as_str()), (Handling::H1, "2031-01-01"));
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redaction_stands_in_both_chains_and_neither_names_the_other_exhibit() {
    let stage = Stage::new(HandlingCode::H2).await;
    let from = |exhibit| Some(DerivedFrom { exhibit, how: DerivationForm::Redaction });
    let unknown = collect(&stage.world, &stage.ana, stage.case, "unknown", HandlingCode::H0, from(ExhibitId::from_bytes([9; 16]))).await;
    assert!(matches!(unknown, Err(AgentError::NotEligible(_))));
    let laundered = collect(&stage.world, &stage.luc, stage.case, "laundered", HandlingCode::H0, from(stage.exhibit)).await;
    assert!(matches!(laundered, Err(AgentError::NotEligible(why)) if why.contains("handling code")));
    // A redaction for a case with other members: the source stays where it is.
    let wider = stage
        .ana
        .create_case(NewCase { title: "Wider".to_owned(), statement: statement(), review: review(), parent: Some(stage.case) })
        .await
        .must();
    let redacted = collect(&stage.world, &stage.ana, wider, "redacted", HandlingCode::H2, from(stage.exhibit)).await.must();

    let new = NewDossier {
        case: wider,
        exhibits: vec![redacted],
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
        target: stage.world.path("redacted.zip"),
    };
    let path = stage.ana.make_dossier(&new, &|_| {}).await.must().path;
    let report = custodia_verify::verify(Cursor::new(fs::read(path).unwrap()), &trust(&stage.world)).unwrap();
    let named = report.findings.iter().find(|finding| finding.check == "EXH-04").unwrap();
    assert!(named.status == Status::Passed && named.text.contains(&stage.exhibit.to_string()), "{named:?}");

    let made = stage.ana.exhibit_status(wider, redacted).await.must().derivations;
    let [made] = made.as_slice() else { panic!("one link: {made:?}") };
    assert_eq!((made.is_source, made.how, made.other), (false, DerivedHow::Redaction, Some(stage.exhibit)));
    let source = stage.ana.exhibit_status(stage.case, stage.exhibit).await.must().derivations;
    let [source] = source.as_slice() else { panic!("one link: {source:?}") };
    assert_eq!((source.is_source, source.how, source.other), (true, DerivedHow::Redaction, Some(redacted)));
    let by_luc = stage.luc.exhibit_status(stage.case, stage.exhibit).await.must();
    assert_eq!(by_luc.derivations[0].other, None, "who does not hold the redaction's manifest is not told which it is");
    assert!(!serde_json::to_string(&by_luc.entries).unwrap().contains(&redacted.to_string()));
    stage.audit().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_part_names_its_parent_and_only_a_member_of_the_parent_founds_one() {
    let stage = Stage::new(HandlingCode::H0).await;
    let part = |parent| NewCase { title: "Victims".to_owned(), statement: statement(), review: review(), parent: Some(parent) };
    let child = stage.luc.create_case(part(stage.case)).await.must();
    assert_eq!(stage.luc.parent_of(child).await.must(), Some(stage.case));
    assert_eq!(stage.luc.parent_of(stage.case).await.must(), None);
    refused_by("REC-08", stage.ana.create_case(part(child)).await);
    refused_by("REC-08", stage.ana.create_case(part(CaseId::from_bytes([9; 16]))).await);
    stage.audit().await;
    stage.close().await;
}
