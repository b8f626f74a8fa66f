//! Making a dossier for a court, and attaching an auditor's cosignature to it later. Format: `docs/spec/dossier.md`.
//!
//! ```text
//! open each exhibit (disclosure: export) ─► payload laid out in a private folder ─► SHA-256 of its manifest
//!   ─► one disclosure (dossier) for each exhibit, receipts verified ─► chains, registry, proofs in one checkpoint
//!   ─► ZIP ─► verified as a judge does ─► reports of what was found ─► synced, renamed
//! ```
//! Files in clear exist only in the private folder beside the target, which is taken away whatever happens, and in the dossier itself. If a step
//! fails after an entry was made, the entry stays: it says that the files were out.

mod attach;
mod bag;
mod custody;
mod kept;
mod papers;
mod pdf;
mod zip_file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use custodia_core::custody::body::{Body, ConsentTo, Disclosure, Handling};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::Outcome;
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::{Files, Index, VERSION, Withheld, paths, withheld_fault};
use custodia_core::exhibit::AwsLcCipher;
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::identity::Certificate;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::LogError;
use custodia_core::time::ClaimedTime;
use custodia_failpoint::fail_point;
use custodia_verify::Trust;

use crate::agent::Agent;
use crate::clear_folder::ClearFolder;
use crate::custody::OnExhibit;
use crate::error::{AgentError, shown};
use crate::open::{OpenedExhibit, Opening};
use crate::reasons::{Statement, reason_key};
use crate::seal::Progress;
use crate::state::{acts, device};

use bag::{Bag, Content};
use papers::Papers;
use zip_file::Draft;

pub use attach::Attached;
pub use custodia_papers::Language;
pub use custodia_papers::transmission::{ACCESSIBLE_DAYS, Transmission};
pub use papers::Found;
pub use pdf::{NoPdf, ReportProgram};

/// A dossier to be made.
#[derive(Debug, Clone)]
pub struct NewDossier {
    /// The case.
    pub case: CaseId,
    /// The exhibits that go into it.
    pub exhibits: Vec<ExhibitId>,
    /// For whom: persons `office/local`, or outside recipients in words, such as a court.
    pub recipients: Vec<String>,
    /// For which purpose the exhibits are disclosed.
    pub purpose: Purpose,
    /// Why.
    pub statement: Statement,
    /// Whether the files themselves go into it.
    pub files: Files,
    /// What is withheld, and on which ground.
    pub withheld: Vec<Withheld>,
    /// In which languages a report for people goes with it; may be none.
    pub languages: Vec<Language>,
    /// What makes PDF of these reports; without it they are HTML alone.
    pub report_program: Option<ReportProgram>,
    /// What is stated of its transmission.
    pub transmission: Transmission,
    /// The trust file by which it is verified before it gets its name; none for what this device is bound to, which demands no cosignature.
    pub trust: Option<String>,
    /// How long to wait for a checkpoint that witnesses or auditors cosigned and that includes the dossier; without one it ends with the log's head.
    pub wait: Duration,
    /// Where the ZIP file is to be; nothing is overwritten.
    pub target: PathBuf,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DossierStep {
    /// The exhibit is opened.
    Opening(ExhibitId),
    /// Its files are fetched.
    Fetching(ExhibitId, Progress),
    /// Its disclosure is entered in the log.
    Disclosing(ExhibitId),
    /// Chains and proofs are gathered, and a cosigned checkpoint is waited for.
    Proving,
    /// The ZIP file is written, and read back by the verifier.
    Writing,
}

/// A dossier that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeDossier {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of the payload's manifest, which the disclosures name.
    pub payload: Sha256Digest,
    /// The index of each exhibit's disclosure in the log.
    pub disclosures: Vec<(ExhibitId, u64)>,
    /// The number of records in the tree of its checkpoint; an auditor's checkpoint of at least one more than the last index attests it.
    pub tree_size: u64,
    /// What the verifier said of it.
    pub found: Found,
}

/// Why a dossier was not written or changed.
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    /// There is something at the target.
    #[error("{} exists already; nothing is overwritten", shown(.0))]
    Exists(PathBuf),
    /// The file system refuses.
    #[error("{}: {source}", shown(path))]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the payload is not what it was when it was checked.
    #[error("{0} changed while the dossier was written; the dossier was not made")]
    Changed(String),
    /// The ZIP file cannot be written.
    #[error("{}: the dossier cannot be written: {problem}", path.display())]
    Unwritable {
        /// Where it is written before it gets its name.
        path: PathBuf,
        /// What the system, or the format, says.
        problem: String,
    },
    /// The trust file is not usable.
    #[error("{0}")]
    Trust(String),
    /// The file is no dossier of the format.
    #[error("the file is not a dossier that a cosignature can be attached to: {0}")]
    Malformed(String),
    /// What is to be attached is no checkpoint of this log.
    #[error("what is to be attached is not a checkpoint of the log to which this device is bound: {0}")]
    NotOfThisLog(LogError),
    /// The server has no cosigned checkpoint that includes the dossier.
    #[error("no checkpoint that includes record {last}, with which the dossier ends, has been cosigned yet")]
    NotCosigned {
        /// The last record of the dossier.
        last: u64,
    },
    /// The cosigned checkpoint is older than the dossier.
    #[error("the cosigned checkpoint is of {size} records and the dossier ends with record {last}: attach a later one")]
    TooOld {
        /// Size of the cosigned tree.
        size: u64,
        /// The last record of the dossier.
        last: u64,
    },
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DossierError {
    let path = path.to_owned();
    move |source| DossierError::Io { path, source }
}

/// The folder in which a file stands.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Agent {
    /// Makes a dossier: two disclosures for each exhibit (the files leave the vault; the dossier goes to its recipients) and one ZIP file.
    ///
    /// It holds what the log proves at this moment; completeness is attested once an auditor's cosignature is attached
    /// ([`Agent::attach_cosignature`]).
    ///
    /// # Errors
    /// [`DossierError::Exists`] and an H1 exhibit without consent before anything is entered; what a rule refuses; what does not fetch,
    /// open or write. Then no dossier is left behind.
    pub async fn make_dossier(&self, new: &NewDossier, progress: &(dyn Fn(DossierStep) + Send + Sync)) -> Result<MadeDossier, AgentError> {
        let own = self.own_certificate().await?;
        self.check_dossier(new).await?;
        let trust = self.trust(new.trust.as_deref()).await?;
        let workspace = ClearFolder::beside(&self.state, &new.target).await?;
        let mut bag = Bag::default();
        for &exhibit in &new.exhibits {
            progress(DossierStep::Opening(exhibit));
            let opening = Opening::Export { recipients: new.recipients.clone() };
            let opened = self.open_exhibit(new.case, exhibit, opening, new.purpose, &new.statement).await?;
            lay_out(&workspace, new.files, exhibit, &opened, &mut bag, progress).await?;
        }
        fail_point!("agent.dossier.laid_out");
        for &exhibit in &new.exhibits {
            self.follow_exhibit(new.case, exhibit).await?;
            bag.payload.insert(paths::reasons(exhibit), Content::Bytes(self.reason_keys(new.case, exhibit).await?));
        }
        let made = self.clock.claimed();
        let index = self.index(new, &own, made.clone())?;
        bag.payload.insert(paths::INDEX.to_owned(), Content::Bytes(index));
        let payload = Sha256Digest::of(&[bag.manifest().as_bytes()]);
        let mut disclosures = Vec::with_capacity(new.exhibits.len());
        for &exhibit in &new.exhibits {
            progress(DossierStep::Disclosing(exhibit));
            disclosures.push((exhibit, self.disclose(new, exhibit, payload).await?));
        }
        fail_point!("agent.dossier.disclosed");
        progress(DossierStep::Proving);
        let (checkpoint, tags) = self.custody_files(new.case, &disclosures, new.wait).await?;
        bag.tags = tags;
        bag.describe(own.office(), &made, new.case);
        progress(DossierStep::Writing);
        let papers = Papers {
            trust,
            languages: new.languages.clone(),
            transmission: Some(new.transmission.clone()),
            at: self.clock.claimed().as_str().to_owned(),
            program: new.report_program.clone(),
            folder: workspace.path().to_owned(),
        };
        let target = new.target.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut draft = Draft::of_payload(&bag, &papers.folder)?;
            let found = papers::add(&mut draft, bag.tags, &papers)?;
            draft.publish(&target).map(|()| found)
        });
        let found = written.await.map_err(|_| AgentError::Bug)??;
        drop(workspace);
        Ok(MadeDossier { path: new.target.clone(), payload, disclosures, tree_size: checkpoint.size().get(), found })
    }

    /// A trust file's text, or what this device is bound to.
    async fn trust(&self, text: Option<&str>) -> Result<Trust, AgentError> {
        let refused = |error: custodia_verify::trust::TrustError| DossierError::Trust(error.to_string());
        let bound = device::server(&mut *self.state.connection().await).await?.ok_or(AgentError::NotBound)?;
        let own = format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\n", bound.origin, bound.log_key, bound.trust_pin);
        let trust = Trust::parse(text.unwrap_or(&own)).map_err(refused)?;
        if trust.log.to_string() != bound.log_key || trust.pin.to_string() != bound.trust_pin.to_string() {
            let text =
                format!("the trust file pins another log or trust list than this device is bound to, which is that of {}", bound.origin);
            return Err(DossierError::Trust(text).into());
        }
        Ok(trust)
    }

    /// What can be refused before anything is opened.
    async fn check_dossier(&self, new: &NewDossier) -> Result<(), AgentError> {
        let mut exhibits = new.exhibits.clone();
        exhibits.sort_unstable();
        exhibits.dedup();
        if exhibits.is_empty() || exhibits.len() != new.exhibits.len() {
            return Err(AgentError::Input { what: "the list of exhibits", problem: "is empty, or names one twice" });
        }
        if let Some(problem) = withheld_fault(&new.exhibits, &new.withheld) {
            return Err(AgentError::Input { what: "the dossier", problem });
        }
        if new.transmission.accessible_days.is_some_and(|days| !ACCESSIBLE_DAYS.contains(&days)) {
            return Err(AgentError::Input { what: "the number of days for which it is accessible", problem: "is not 10 to 45" });
        }
        if new.recipients.is_empty() {
            return Err(AgentError::Input { what: "the list of recipients", problem: "is empty: a disclosure names to whom it goes" });
        }
        if new.target.symlink_metadata().is_ok() {
            return Err(DossierError::Exists(new.target.clone()).into());
        }
        self.refresh(new.case).await?;
        for &exhibit in &new.exhibits {
            let row = self.exhibit_row(new.case, exhibit).await?;
            if row.handling == Handling::H1 && !self.consented(new.case, exhibit).await? {
                return Err(AgentError::NotEligible(
                    "an exhibit has handling code H1: its originator must consent to judicial use before it goes into a dossier (ACC-06)",
                ));
            }
        }
        for exhibit in new.withheld.iter().filter_map(|withheld| withheld.exhibit) {
            self.exhibit_row(new.case, exhibit).await?;
        }
        Ok(())
    }

    /// Whether the exhibit's chain holds a consent to judicial use.
    async fn consented(&self, case: CaseId, exhibit: ExhibitId) -> Result<bool, AgentError> {
        self.follow_exhibit(case, exhibit).await?;
        let gives = |body: &Body| matches!(body, Body::ConsentGive(consent) if consent.to == ConsentTo::JudicialUse);
        Ok(self.records_of(exhibit).await?.iter().any(|record| {
            record.opened.core.as_ref().is_some_and(|core| core.outcome == Outcome::Accepted)
                && record.intent.as_ref().is_some_and(|intent| gives(&intent.body))
        }))
    }

    /// The reason keys of an exhibit's chain that this device can open, as the payload holds them; one that opens nothing is left out.
    async fn reason_keys(&self, case: CaseId, exhibit: ExhibitId) -> Result<Vec<u8>, AgentError> {
        let rings = self.reading_keys(case).await?;
        let mut keys = std::collections::BTreeMap::new();
        for record in self.records_of(exhibit).await? {
            let Some(intent) = &record.intent else { continue };
            let Some(sealed) = &intent.sealed else { continue };
            let Some(ring) = sealed.ring.as_ref().and_then(|ring| rings.get(&ring.version)) else { continue };
            let Ok(key) = reason_key(intent, ring) else { continue };
            let place = SealedTextPlace { origin: &intent.origin, intent: intent.id };
            if SealedText::open::<AwsLcCipher>(&place, &key, &sealed.message.0).is_ok() {
                keys.insert(record.view.index, hex::encode(key.secret().expose()));
            }
        }
        Ok(serde_json::to_vec(&keys).expect("numbers and texts serialise"))
    }

    fn index(&self, new: &NewDossier, own: &Certificate, made: ClaimedTime) -> Result<Vec<u8>, AgentError> {
        let index = Index {
            version: VERSION,
            case: new.case,
            origin: self.link()?.origin.clone(),
            made,
            by: own.person().clone(),
            recipients: new.recipients.clone(),
            exhibits: new.exhibits.clone(),
            files: new.files,
            withheld: new.withheld.clone(),
        };
        Ok(serde_json::to_vec(&index).expect("texts and numbers serialise"))
    }

    /// Enters the disclosure of one exhibit by this payload; gives its index in the log.
    async fn disclose(&self, new: &NewDossier, exhibit: ExhibitId, payload: Sha256Digest) -> Result<u64, AgentError> {
        self.follow_exhibit(new.case, exhibit).await?;
        let act = OnExhibit {
            body: Body::Disclosure(Disclosure::Dossier { payload }),
            purpose: Some(new.purpose),
            recipients: new.recipients.clone(),
            statement: &new.statement,
        };
        let intent = self.sign_on_exhibit(new.case, exhibit, act).await?;
        acts::insert(&mut *self.state.connection().await, &intent).await?;
        // The share that comes with it is not needed: the files are out already.
        let (_, entry) = self.released(&intent).await?;
        Ok(entry.index)
    }
}

/// Writes an exhibit's files into the private folder and puts them, manifest and names into the payload.
async fn lay_out(
    workspace: &ClearFolder,
    files: Files,
    exhibit: ExhibitId,
    opened: &OpenedExhibit,
    bag: &mut Bag,
    progress: &(dyn Fn(DossierStep) + Send + Sync),
) -> Result<(), AgentError> {
    bag.payload.insert(paths::manifest(exhibit), Content::Bytes(opened.manifest().json().to_vec()));
    let mut names = Vec::new();
    if files == Files::Included {
        let folder = workspace.path().join(exhibit.to_string());
        let exported = opened.export(&folder, |done| progress(DossierStep::Fetching(exhibit, done))).await?;
        for (number, file) in exported.iter().enumerate() {
            let name = bag::entry_name(exhibit, number, &file.name);
            let content = Content::File { path: folder.join(&file.name), size: file.digests.size, sha256: file.digests.sha256 };
            bag.payload.insert(paths::file(exhibit, &name), content);
            names.push(name);
        }
    }
    let names = serde_json::to_vec(&names).expect("texts serialise");
    bag.payload.insert(paths::file_names(exhibit), Content::Bytes(names));
    Ok(())
}

#[cfg(test)]
mod tests;
