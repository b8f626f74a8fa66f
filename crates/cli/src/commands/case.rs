//! `custodia case …`: cases and their members.

use clap::{Subcommand, ValueEnum};
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, CaseSummary, Joining, MemberRow, MemberStanding, NewCase};
use custodia_core::custody::body::Terms;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::ids::{CaseId, PersonId};

use serde::Serialize;

use super::exhibit::find_exhibit;
use super::{Reason, agent_in_touch, find_case};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, note, printable, table};

/// What a new member may open of what came before.
#[derive(Clone, Copy, ValueEnum)]
pub enum History {
    /// Everything that you may open.
    Full,
    /// The exhibits named with --exhibit.
    Chosen,
    /// Nothing.
    None,
}

/// Commands of cases.
#[derive(Subcommand)]
pub enum Command {
    /// Found a case.
    Create {
        /// Its title, readable to members and auditors only.
        #[arg(long)]
        title: String,
        /// By when keeping it is reviewed, YYYY-MM-DD.
        #[arg(long)]
        review: String,
        /// The case of which this is a restricted part, with members of its own: id, the beginning of it, or title.
        #[arg(long)]
        parent: Option<String>,
        #[command(flatten)]
        reason: Reason,
    },
    /// List your cases.
    List,
    /// Show a case and its members.
    Show {
        /// Id, the beginning of it, or title.
        case: String,
    },
    /// Add a person with all their devices.
    Add {
        /// Id, the beginning of it, or title.
        case: String,
        /// office/person.
        person: PersonId,
        /// What they may open of what came before.
        #[arg(long, value_enum)]
        history: History,
        /// An exhibit that they may open, with --history chosen: its id or the beginning of it.
        #[arg(long = "exhibit", value_name = "EXHIBIT")]
        exhibits: Vec<String>,
        #[command(flatten)]
        reason: Reason,
    },
    /// Remove a person with all their devices.
    Remove {
        /// Id, the beginning of it, or title.
        case: String,
        /// office/person.
        person: PersonId,
        #[command(flatten)]
        reason: Reason,
    },
    /// Leave a case.
    Leave {
        /// Id, the beginning of it, or title.
        case: String,
        #[command(flatten)]
        reason: Reason,
    },
}

/// A case that was founded.
#[derive(Serialize)]
pub struct Founded {
    /// Its id.
    case: CaseId,
}

impl Answer for Founded {
    fn text(&self) -> String {
        self.case.to_string()
    }
}

/// A person who came, went or was there before.
#[derive(Serialize)]
pub struct Moved {
    case: CaseId,
    /// office/person; null for oneself.
    person: Option<PersonId>,
    /// Whether anything was done: false if it had been done before.
    changed: bool,
}

impl Answer for Moved {
    fn text(&self) -> String {
        String::new()
    }
}

/// Runs a command of cases.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    let agent = agent_in_touch(settings).await?;
    match command {
        Command::Create { title, review, parent, reason } => {
            let review =
                CalendarDate::parse(&review).map_err(|error| Failure::usage(format!("--review: {error}"), "Write a day as YYYY-MM-DD."))?;
            let parent = match parent {
                Some(parent) => Some(find_case(&agent, &parent).await?),
                None => None,
            };
            let case = agent.create_case(NewCase { title, statement: reason.into(), review, parent }).await?;
            note("The case is founded, with the recovery device of your office as a visible member.");
            answer(&Founded { case })
        }
        Command::List => list(&agent).await,
        Command::Show { case } => show(&agent, find_case(&agent, &case).await?).await,
        Command::Add { case, person, history, exhibits, reason } => {
            let case = find_case(&agent, &case).await?;
            let terms = match history {
                History::Full => Terms::Full,
                History::Chosen => Terms::Chosen,
                History::None => Terms::None,
            };
            if matches!(history, History::Chosen) == exhibits.is_empty() {
                return Err(Failure::usage(
                    "--exhibit goes with --history chosen, at least once",
                    "`custodia exhibit list` shows the ids.",
                ));
            }
            let devices = agent.devices().await?;
            let mut joining: Vec<Joining> = devices
                .iter()
                .filter(|device| *device.person() == person)
                .map(|device| Joining { device: device.id().digest(), terms })
                .collect();
            if joining.is_empty() {
                return Err(Failure::new(
                    Code::NotFound,
                    format!("{person} has no device in good standing"),
                    "Their office enrols one: `custodia office issue`.",
                ));
            }
            agent.refresh(case).await?;
            // A person may be a member with one device and get another.
            let members = agent.members(case).await?;
            joining.retain(|one| members.iter().all(|member| member.certificate != one.device));
            if joining.is_empty() {
                note(&format!("{person} is a member already; nothing was done."));
                return answer(&Moved { case, person: Some(person), changed: false });
            }
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(&agent, case, exhibit).await?);
            }
            agent.add_members(case, joining, chosen, &reason.into()).await?;
            note(&format!("{person} is a member."));
            answer(&Moved { case, person: Some(person), changed: true })
        }
        Command::Remove { case, person, reason } => remove(&agent, find_case(&agent, &case).await?, person, reason).await,
        Command::Leave { case, reason } => {
            let case = find_case(&agent, &case).await?;
            if agent.cases().await?.iter().any(|row| row.id == case && row.standing == Standing::Left) {
                note("You are not in this case any more; nothing was done.");
                return answer(&Moved { case, person: None, changed: false });
            }
            agent.leave(case, &reason.into()).await?;
            note("You have left; the server gives this device nothing more of the case.");
            answer(&Moved { case, person: None, changed: true })
        }
    }
}

async fn remove(agent: &Agent, case: CaseId, person: PersonId, reason: Reason) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let devices: Vec<Sha256Digest> =
        agent.members(case).await?.iter().filter(|member| member.person == person).map(|member| member.certificate).collect();
    if devices.is_empty() && agent.was_removed(case, &person).await? {
        note(&format!("{person} is removed already; nothing was done."));
        return answer(&Moved { case, person: Some(person), changed: false });
    }
    if devices.is_empty() {
        return Err(Failure::new(
            Code::NotFound,
            format!("{person} is not a member of this case"),
            "`custodia case show` lists its members.",
        ));
    }
    agent.remove_members(case, devices, &reason.into()).await?;
    note(&format!("{person} is removed. What they had opened they may have kept; nothing else opens for them any more."));
    answer(&Moved { case, person: Some(person), changed: true })
}

/// Cases of this device.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Cases(Vec<CaseRow>);

/// One case of this device.
#[derive(Serialize)]
struct CaseRow {
    case: CaseId,
    /// Null where it is not readable on this device.
    title: Option<String>,
    /// founding, member or left.
    standing: &'static str,
}

impl Answer for Cases {
    fn text(&self) -> String {
        let row = |case: &CaseRow| {
            let title = case.title.as_deref().map_or_else(|| "(title not readable here)".to_owned(), printable);
            [case.case.to_string(), case.standing.to_owned(), title]
        };
        table(["CASE", "STANDING", "TITLE"], self.0.iter().map(row).collect())
    }
}

async fn list(agent: &Agent) -> Result<(), Failure> {
    let row = |case: CaseSummary| CaseRow { case: case.id, title: case.title, standing: case.standing.as_str() };
    answer(&Cases(agent.cases().await?.into_iter().map(row).collect()))
}

/// A case and its members.
#[derive(Serialize)]
pub struct Shown {
    #[serde(flatten)]
    case: Named,
    /// The case of which this is a restricted part.
    parent: Option<Named>,
    /// Its restricted parts, as far as this device is in them.
    parts: Vec<Named>,
    members: Vec<Member>,
}

/// A case by id and title.
#[derive(Serialize)]
struct Named {
    case: CaseId,
    /// Null where it is not readable on this device.
    title: Option<String>,
}

/// A device of a member.
#[derive(Serialize)]
struct Member {
    /// office/person.
    person: PersonId,
    role: &'static str,
    /// Whether the device may still act; who may not goes with the next change of the members.
    standing: MemberStanding,
    /// What the person calls the device.
    device: String,
    /// SHA-256 of its certificate.
    certificate: Sha256Digest,
}

impl Named {
    fn line(&self) -> String {
        format!("{}  {}", self.case, self.title.as_deref().map_or_else(String::new, printable))
    }
}

impl Answer for Shown {
    fn text(&self) -> String {
        let parent = self.parent.iter().map(|parent| format!("a restricted part of {}", parent.line()));
        let parts = self.parts.iter().map(|part| format!("its restricted part {}", part.line()));
        let row = |member: &Member| {
            let certificate = member.certificate.to_string()[..16].to_owned();
            let standing = member.standing.as_str().to_owned();
            [member.person.to_string(), member.role.to_owned(), standing, printable(&member.device), certificate]
        };
        let members = table(["MEMBER", "ROLE", "STANDING", "DEVICE", "CERTIFICATE"], self.members.iter().map(row).collect());
        let lines = std::iter::once(self.case.line()).chain(parent).chain(parts).chain([members]);
        lines.collect::<Vec<_>>().join("\n")
    }
}

async fn show(agent: &Agent, case: CaseId) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let cases = agent.cases().await?;
    let named = |id: CaseId| Named { case: id, title: cases.iter().find(|row| row.id == id).and_then(|row| row.title.clone()) };
    let mut parts = Vec::new();
    for other in cases.iter().filter(|other| other.standing == Standing::Member) {
        if agent.parent_of(other.id).await? == Some(case) {
            parts.push(named(other.id));
        }
    }
    let member = |row: MemberRow| Member {
        person: row.person,
        role: row.role.as_str(),
        standing: row.standing,
        device: row.label,
        certificate: row.certificate,
    };
    let members = agent.members(case).await?.into_iter().map(member).collect();
    answer(&Shown { case: named(case), parent: agent.parent_of(case).await?.map(named), parts, members })
}
