//! A model with something at every place.

use custodia_core::custody::intent::ClockSource;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::dossier::stamps::TimeIs;
use custodia_core::dossier::{Files, Withheld};
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::sealed_text::SealedText;
use custodia_core::exhibit::text::{Line, Prose};
use custodia_core::finding::{Finding, Verdict};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};

use crate::model::{
    Act, ActTime, Actor, Bound, CosignerKey, Detail, DossierFacts, ExhibitFacts, FileFacts, Keys, OfficeKeys, RefusedBy, ReportModel,
    Stamp, VERSION, Verification,
};

const INTAKE: &str = include_str!("../../../../tests/vectors/exhibit/intake.json");

fn actor(name: &str) -> Actor {
    Actor {
        person: "be-fed/ana".to_owned(),
        name: name.to_owned(),
        role: Some(Role::Prosecutor),
        office: "be-fed".to_owned(),
        office_name: Some("Federaal parket".to_owned()),
        country: Some("BE".to_owned()),
        certificate: Sha256Digest::of(&[name.as_bytes()]).to_string(),
    }
}

fn bound(time: &str) -> Bound {
    Bound { time: time.to_owned(), authority: "CN=Stamps".to_owned() }
}

fn stated(reason: &str, title: &str) -> SealedText {
    SealedText {
        reason: Prose::new(reason).unwrap(),
        reference: Some(Line::new("EIO 2026/7").unwrap()),
        case_title: Some(Line::new(title).unwrap()),
        exhibit_title: Some(Line::new(title).unwrap()),
    }
}

fn act(record: u64, kind: Kind, detail: Detail, title: &str) -> Act {
    Act {
        record,
        kind,
        detail,
        attempts: 1,
        refused_by: None,
        actor: actor("Ana Popescu"),
        purpose: Some(Purpose::Trial),
        recipients: vec![title.to_owned()],
        time: ActTime {
            log: "2026-11-23T20:04:05.123Z".to_owned(),
            claimed: "2026-11-23T21:04:03+01:00".to_owned(),
            clock: ClockSource::Ntp,
            is: TimeIs::Proven,
            after: Some(bound("2026-11-23T20:00:00Z")),
            before: Some(bound("2026-11-23T20:05:00Z")),
        },
        stated: Some(stated(&format!("line one\nline two: {title}"), title)),
    }
}

/// Every kind of act, with every detail, one refused and one sealed.
fn acts(title: &str) -> Vec<Act> {
    let payload = Sha256Digest::of(&[b"payload"]);
    let mut acts: Vec<Act> = [
        (Kind::Collection, Detail::None {}),
        (Kind::Consultation, Detail::None {}),
        (Kind::Disclosure, Detail::Export {}),
        (Kind::Disclosure, Detail::Grant { person: Some("fr-jirs/luc".to_owned()), name: Some(title.to_owned()) }),
        (Kind::Disclosure, Detail::Transfer { means: "in-person".to_owned() }),
        (Kind::Alteration, Detail::Alteration { handling: Some("H1".to_owned()), review: Some("2030-01-01".to_owned()) }),
        (Kind::Combination, Detail::Source { how: "redaction".to_owned() }),
        (Kind::Erasure, Detail::ErasureProposed {}),
        (Kind::Erasure, Detail::ErasureConfirmed {}),
        (Kind::ConsentGive, Detail::ConsentJudicial {}),
        (Kind::ConsentGive, Detail::ConsentOnward {}),
        (Kind::Disclosure, Detail::Dossier { payload, this: false }),
        (Kind::Disclosure, Detail::Dossier { payload, this: true }),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (kind, detail))| act(number as u64 + 10, kind, detail, title))
    .collect();
    acts[1].refused_by = Some(RefusedBy { rule: "ACC-05".to_owned(), demands: Some("The actor may open this exhibit.".to_owned()) });
    acts[1].attempts = 3;
    acts[2].stated = None;
    (acts[2].time.is, acts[2].time.before) = (TimeIs::Stated, None);
    acts[3].time.is = TimeIs::Contradicted;
    acts
}

/// A model with something at every place, and `title` wherever somebody may have written.
pub(crate) fn model(title: &str) -> ReportModel {
    let mut intake: Intake = serde_json::from_str(INTAKE).unwrap();
    intake.title = Line::new(title).unwrap();
    intake.exhibit_number = Line::new("BE-1/2026").unwrap();
    intake.description = Some(Prose::new(&format!("{title}\n\t{title}")).unwrap());
    let file = FileFacts {
        path: custodia_core::exhibit::path::display(title.as_bytes()),
        media_type: "video/mp4".to_owned(),
        size: 1_234_567,
        sha256: Sha256Digest::of(&[b"file"]),
        blake3: Blake3Digest::of(b"file"),
        modified: Some("2026-01-02T03:04:05+02:00".to_owned()),
    };
    let exhibit = ExhibitId::from_bytes([6; 16]);
    ReportModel {
        version: VERSION,
        dossier: DossierFacts {
            case: CaseId::from_bytes([5; 16]),
            case_title: Some(title.to_owned()),
            origin: "vault.example/log".to_owned(),
            made: "2026-11-23T21:05:00+01:00".to_owned(),
            by: "be-fed/ana".to_owned(),
            maker: Some(actor(title)),
            recipients: vec![title.to_owned(), "Court of Antwerp".to_owned()],
            purpose: Some(Purpose::Trial),
            files: Files::Included,
        },
        verification: Verification {
            at: "2026-11-23T21:05:09+01:00".to_owned(),
            verdict: Verdict::Indeterminate,
            obstacle: Some(Finding::not_checked("LOG-03", "policy", "completeness not attested")),
            tree_size: Some(40),
            findings: vec![
                Finding::passed("DOS-01", "archive", "fine"),
                Finding::not_checked("LOG-03", "policy", title),
                Finding::failed("CHN-01", "record 7", title),
                Finding::passed("XYZ-99", "what a newer verifier checks", "fine"),
            ],
        },
        keys: Keys {
            log: "vault.example/log+c0ffee00+AbCd".to_owned(),
            trust_pin: Sha256Digest::of(&[b"list"]).to_string(),
            cosigners: vec![
                CosignerKey { key: "auditor.example/1+00000001+AbCd".to_owned(), cosigned: true },
                CosignerKey { key: "witness.example/1+00000002+AbCd".to_owned(), cosigned: false },
            ],
            offices: vec![OfficeKeys {
                id: "be-fed".to_owned(),
                name: "Federaal parket".to_owned(),
                country: "BE".to_owned(),
                roots: vec![Sha256Digest::of(&[b"root"]).to_string()],
            }],
            stamps: vec![Stamp {
                tree_size: 39,
                authority: title.to_owned(),
                earliest: "2026-11-23T20:04:59Z".to_owned(),
                latest: "2026-11-23T20:05:00Z".to_owned(),
            }],
        },
        exhibits: vec![
            ExhibitFacts { id: exhibit, intake: Some(intake), files: vec![file], acts: acts(title) },
            ExhibitFacts { id: ExhibitId::from_bytes([7; 16]), intake: None, files: Vec::new(), acts: Vec::new() },
        ],
        withheld: vec![
            Withheld { exhibit: Some(ExhibitId::from_bytes([8; 16])), ground: title.to_owned() },
            Withheld { exhibit: None, ground: "another investigation".to_owned() },
        ],
    }
}
