//! `custodia case …`: cases and their members.

mod leave;
mod recover;
mod succeed;

use std::collections::BTreeSet;

use clap::{Subcommand, ValueEnum};
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, CaseSummary, Joining, MemberRow, MemberStanding, NewCase, Resynced};
use custodia_core::custody::body::Terms;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, PersonId};

use serde::Serialize;

use super::exhibit::find_exhibit;
use super::{Reason, agent_in_touch, day, find_case};
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
    /// Come back into a case whose group this device has lost or cannot follow any more; what it may open stays the same.
    Resync {
        /// Id, the beginning of it, or title.
        case: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Bring somebody back who lost every device: a recovery officer proposes, another person confirms, a recovery officer carries it out.
    Recover(recover::Recover),
    /// Continue a case in a new group, after a commit that this device cannot follow and that a colleague has reported too.
    Succeed {
        /// Id, the beginning of it, or title.
        case: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Leave a case.
    Leave {
        /// Id, the beginning of it, or title.
        case: String,
        /// Leave although no prosecutor remains; only recovery officers can then bring one in.
        #[arg(long)]
        last: bool,
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
            let officers = agent.members(case).await?.into_iter().filter(|member| member.role == Role::Recovery);
            if officers.map(|member| member.person).collect::<BTreeSet<_>>().len() < 2 {
                note(
                    "Your office has one recovery officer: while you are alone in the case, nobody could confirm your recovery. Enrol a second.",
                );
            }
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
            let devices: Vec<_> = agent.devices().await?.into_iter().filter(|device| *device.person() == person).collect();
            if devices.is_empty() {
                return Err(Failure::new(
                    Code::NotFound,
                    format!("{person} has no device in good standing"),
                    "Their office enrols one: `custodia office issue`.",
                ));
            }
            agent.refresh(case).await?;
            // A person may be a member with one device and get another.
            let members = agent.members(case).await?;
            let new = devices.iter().filter(|device| members.iter().all(|member| member.device != device.device()));
            let joining: Vec<Joining> = new.map(|device| Joining { device: device.id().digest(), terms }).collect();
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
        Command::Resync { case, reason } => resync(&agent, find_own_case(&agent, &case).await?, reason).await,
        Command::Recover(words) => recover::run(&agent, words).await,
        Command::Leave { case, last, reason } => leave::run(&agent, find_case(&agent, &case).await?, last, reason).await,
        Command::Succeed { case, reason } => succeed::run(&agent, find_case(&agent, &case).await?, reason).await,
    }
}

/// As [`find_case`], among the cases too that only the server knows this device to be a member of.
async fn find_own_case(agent: &Agent, text: &str) -> Result<CaseId, Failure> {
    let found = find_case(agent, text).await;
    let rows = if found.is_ok() { Vec::new() } else { agent.cases_at_server().await?.cases };
    let mut others = rows.iter().filter(|row| row.case.to_string().starts_with(text));
    match (others.next(), others.next()) {
        (Some(row), None) => Ok(row.case),
        _ => found,
    }
}

async fn resync(agent: &Agent, case: CaseId, reason: Reason) -> Result<(), Failure> {
    let resynced = agent.resync(case, &reason.into()).await?;
    note(match resynced {
        Resynced::NotNeeded => "This device follows the case; nothing was done.",
        Resynced::Back => "This device is back in the case.",
        Resynced::AwaitsKey => {
            "This device is back in the case. The case's key comes with the next contact of a colleague's device (`custodia device sync`, or any \
             command of theirs on this case); until then nothing of the case opens here, and nothing is added."
        }
    });
    answer(&CameBack { case, changed: !matches!(resynced, Resynced::NotNeeded), awaits_key: matches!(resynced, Resynced::AwaitsKey) })
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

/// A device that fell behind, after its return.
#[derive(Serialize)]
pub struct CameBack {
    case: CaseId,
    /// Whether anything was done: false if the device followed the case.
    changed: bool,
    /// Whether the case's key is still to come, with the next contact of a colleague's device.
    awaits_key: bool,
}

impl Answer for CameBack {
    fn text(&self) -> String {
        String::new()
    }
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
    let cases = agent.cases().await?;
    for row in agent.cases_at_server().await?.cases.iter().filter(|row| cases.iter().all(|case| case.id != row.case)) {
        note(&format!("This device was added to case {} and cannot read its invitation: `custodia case resync {}`.", row.case, row.case));
    }
    let row = |case: CaseSummary| CaseRow { case: case.id, title: case.title, standing: case.standing.as_str() };
    answer(&Cases(cases.into_iter().map(row).collect()))
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
    /// Generation of its group: one more for every successor group.
    generation: u32,
    members: Vec<Member>,
    /// Devices in the place of lost ones, oldest first.
    recoveries: Vec<recover::Told>,
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
    /// The day on which the device's certificate ends.
    valid_until: String,
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
        let line = format!("its group is generation {}: each before it ended with a commit that members could not follow", self.generation);
        let generation = (self.generation > 0).then_some(line);
        let row = |member: &Member| {
            let certificate = member.certificate.to_string()[..16].to_owned();
            let standing = member.standing.as_str().to_owned();
            let until = member.valid_until.clone();
            [member.person.to_string(), member.role.to_owned(), standing, until, printable(&member.device), certificate]
        };
        let members = table(["MEMBER", "ROLE", "STANDING", "VALID UNTIL", "DEVICE", "CERTIFICATE"], self.members.iter().map(row).collect());
        let recoveries = self.recoveries.iter().map(recover::Told::line);
        let lines = std::iter::once(self.case.line()).chain(parent).chain(parts).chain(generation).chain(recoveries).chain([members]);
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
        valid_until: day(row.ends),
        device: row.label,
        certificate: row.current,
    };
    let members: Vec<Member> = agent.members(case).await?.into_iter().map(member).collect();
    if members.iter().any(|member| member.standing == MemberStanding::Expired) {
        note(
            "Whose certificate has ended stays in the group, and the server takes nothing from them until it is renewed: `custodia device renew`.",
        );
    }
    let generation = agent.generation(case).await?;
    let recoveries = agent.recoveries(case).await?.into_iter().map(recover::Told::from).collect();
    let parent = agent.parent_of(case).await?.map(named);
    answer(&Shown { case: named(case), parent, parts, generation, members, recoveries })
}
