//! The model from what a verifier found: nothing is read from a dossier here that the verifier did not read.

use custodia_core::custody::body::{Body, ConsentTo, Disclosure, Erasure};
use custodia_core::custody::record::Outcome;
use custodia_core::custody::rules;
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::Index;
use custodia_core::dossier::registry::RegistryAt;
use custodia_core::dossier::stamps::GenuineStamp;
use custodia_core::exhibit::manifest::{FileEntry, Manifest};
use custodia_core::exhibit::path;
use custodia_core::identity::{Certificate, CertificateId, TrustList};
use custodia_core::log::Policy;
use custodia_core::time::LogTime;
use custodia_verify::{ExhibitReport, Report, ReportedAct, Trust};
use serde::Serialize;

use crate::model::{
    Act, ActTime, Actor, Bound, CosignerKey, Detail, DossierFacts, ExhibitFacts, FileFacts, Keys, OfficeKeys, RefusedBy, ReportModel,
    Stamp, VERSION, Verification,
};

/// Puts together what a report says of a dossier that was verified by `trust` at the time `at` (RFC 3339).
///
/// None if the dossier does not say of itself what it is: there is nothing to report but the verifier's findings.
pub fn model(report: &Report, trust: &Trust, at: &str) -> Option<ReportModel> {
    let index = report.index.as_ref()?;
    let exhibits = report.exhibits.iter().map(|exhibit| exhibit_facts(exhibit, report.registry.as_ref())).collect();
    Some(ReportModel {
        version: VERSION,
        dossier: dossier_facts(index, report),
        verification: Verification {
            at: at.to_owned(),
            verdict: report.verdict,
            obstacle: report.first_obstacle().cloned(),
            tree_size: report.tree_size,
            findings: report.findings.clone(),
        },
        keys: keys(report, trust),
        exhibits,
        withheld: index.withheld.clone(),
    })
}

fn dossier_facts(index: &Index, report: &Report) -> DossierFacts {
    // The last act of an exhibit is the dossier's own disclosure, if its chain ends as it must.
    let own = report.exhibits.iter().find_map(|exhibit| {
        let last = exhibit.acts.last()?;
        (last.accepted() && matches!(last.act.intent.body, Body::Disclosure(Disclosure::Dossier { .. }))).then_some(last)
    });
    // The reason of the dossier's own disclosure is sealed to its reader: the payload was fixed before. So it is the last title that is open.
    let stated = report.exhibits.iter().flat_map(|exhibit| &exhibit.acts).filter(|act| act.accepted());
    let titled = stated.filter_map(|act| Some((act.act.core.index, act.text.as_ref()?.case_title.as_ref()?)));
    let case_title = titled.max_by_key(|(index, _)| *index).map(|(_, title)| title.as_str().to_owned());
    DossierFacts {
        case: index.case,
        case_title,
        origin: index.origin.clone(),
        made: index.made.as_str().to_owned(),
        by: index.by.to_string(),
        maker: own.map(|act| actor(act, report.registry.as_ref())),
        recipients: index.recipients.clone(),
        purpose: own.and_then(|act| act.act.intent.purpose),
        files: index.files,
    }
}

fn keys(report: &Report, trust: &Trust) -> Keys {
    let cosigners = trust
        .policy
        .iter()
        .flat_map(Policy::witnesses)
        .map(|witness| CosignerKey { key: witness.key.to_string(), cosigned: report.cosigners.contains(&witness.key.name().to_string()) });
    let list = report.registry.as_ref().and_then(|registry| registry.trust_list(report.tree_size?));
    let offices = list.into_iter().flat_map(TrustList::offices).map(|office| OfficeKeys {
        id: office.id.to_string(),
        name: office.name.to_string(),
        country: office.country.to_string(),
        roots: office.roots.iter().map(|root| root.certificate.id().to_string()).collect(),
    });
    let stamps = report.stamps.iter().map(|one| Stamp {
        tree_size: one.size,
        authority: one.stamp.authority().to_owned(),
        earliest: one.stamp.earliest().to_string(),
        latest: one.stamp.latest().to_string(),
    });
    Keys {
        log: trust.log.to_string(),
        trust_pin: trust.pin.to_string(),
        cosigners: cosigners.collect(),
        offices: offices.collect(),
        stamps: stamps.collect(),
    }
}

fn exhibit_facts(exhibit: &ExhibitReport, registry: Option<&RegistryAt>) -> ExhibitFacts {
    let own = exhibit.acts.len().checked_sub(1);
    let manifest = exhibit.manifest.as_ref();
    ExhibitFacts {
        id: exhibit.id,
        intake: manifest.map(|manifest| manifest.intake().clone()),
        files: manifest.into_iter().flat_map(Manifest::files).map(file).collect(),
        acts: exhibit.acts.iter().enumerate().map(|(number, act)| act_facts(act, Some(number) == own, registry)).collect(),
    }
}

fn file(entry: &FileEntry) -> FileFacts {
    let digests = entry.digests();
    FileFacts {
        path: path::display(entry.raw_path()),
        media_type: entry.media_type().as_str().to_owned(),
        size: digests.size,
        sha256: digests.sha256,
        blake3: digests.blake3,
        modified: entry.modified().map(|time| time.as_str().to_owned()),
    }
}

fn act_facts(reported: &ReportedAct, last: bool, registry: Option<&RegistryAt>) -> Act {
    let (core, intent) = (&reported.act.core, &reported.act.intent);
    let refused_by = match &core.outcome {
        Outcome::Accepted => None,
        Outcome::Refused(rule) => Some(RefusedBy {
            rule: rule.as_str().to_owned(),
            demands: rules::ALL.iter().find(|known| known.id == rule.as_str()).map(|known| known.demands.to_owned()),
        }),
    };
    Act {
        record: core.index,
        kind: intent.kind(),
        detail: detail(&intent.body, last && refused_by.is_none(), registry),
        attempts: core.attempts,
        refused_by,
        actor: actor(reported, registry),
        purpose: intent.purpose,
        recipients: intent.recipients.clone(),
        time: ActTime {
            log: core.time.to_string(),
            claimed: intent.time.as_str().to_owned(),
            clock: intent.clock,
            is: reported.time.is,
            after: reported.time.after.as_ref().map(|one| bound(one, one.stamp.earliest())),
            before: reported.time.before.as_ref().map(|one| bound(one, one.stamp.latest())),
        },
        stated: reported.text.clone(),
    }
}

fn bound(one: &GenuineStamp, time: LogTime) -> Bound {
    Bound { time: time.to_string(), authority: one.stamp.authority().to_owned() }
}

fn certificate_of<'a>(registry: Option<&'a RegistryAt>, certificate: &Sha256Digest) -> Option<&'a Certificate> {
    registry?.certificate(CertificateId::from_digest(*certificate))
}

fn actor(reported: &ReportedAct, registry: Option<&RegistryAt>) -> Actor {
    let (act, signer) = (&reported.act, reported.act.intent.signer());
    let certificate = certificate_of(registry, &signer);
    let office = act.person.office();
    let list = registry.and_then(|registry| registry.trust_list(act.core.index));
    Actor {
        person: act.person.to_string(),
        name: act.name.clone(),
        role: certificate.map(Certificate::role),
        office: office.to_string(),
        office_name: list.and_then(|list| list.office(office)).map(|office| office.name.to_string()),
        country: certificate.map(|certificate| certificate.fields().country.to_string()),
        certificate: signer.to_string(),
    }
}

/// The word by which a value of a fixed list is written in JSON.
fn word(value: impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

fn detail(body: &Body, own: bool, registry: Option<&RegistryAt>) -> Detail {
    match body {
        Body::Disclosure(Disclosure::Export {}) => Detail::Export {},
        Body::Disclosure(Disclosure::Grant { device, .. }) => {
            let certificate = certificate_of(registry, device);
            Detail::Grant {
                person: certificate.map(|certificate| certificate.person().to_string()),
                name: certificate.map(|certificate| certificate.fields().name.to_string()),
            }
        }
        Body::Disclosure(Disclosure::Dossier { payload }) => Detail::Dossier { payload: *payload, this: own },
        Body::Disclosure(Disclosure::Transfer { means }) => Detail::Transfer { means: word(means) },
        Body::Alteration(alteration) => Detail::Alteration { handling: alteration.handling.map(word), review: alteration.review.clone() },
        Body::Combination(combination) => Detail::Source { how: word(combination.derivation.how) },
        Body::Erasure(Erasure::Propose { .. }) => Detail::ErasureProposed {},
        Body::Erasure(Erasure::Confirm { .. }) => Detail::ErasureConfirmed {},
        Body::ConsentGive(consent) => match consent.to {
            ConsentTo::JudicialUse => Detail::ConsentJudicial {},
            ConsentTo::Onward => Detail::ConsentOnward {},
        },
        _ => Detail::None {},
    }
}
