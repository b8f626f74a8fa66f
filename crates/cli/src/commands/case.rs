//! `custodia case …`: cases and their members.

use clap::{Subcommand, ValueEnum};
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, Joining, MemberRow, MemberStanding, NewCase, Resynced};
use custodia_core::custody::body::Terms;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::ids::{CaseId, PersonId};

use super::exhibit::find_exhibit;
use super::{Reason, agent_in_touch, day, find_case};
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{note, printable, say, table};

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
    /// Leave a case.
    Leave {
        /// Id, the beginning of it, or title.
        case: String,
        #[command(flatten)]
        reason: Reason,
    },
}

/// Runs a command of cases.
pub async fn run(command: Command, options: &DeviceOptions) -> Result<(), Failure> {
    let agent = agent_in_touch(options).await?;
    match command {
        Command::Create { title, review, parent, reason } => {
            let review = CalendarDate::parse(&review).map_err(|error| Failure::usage(format!("--review: {error}"), ""))?;
            let parent = match parent {
                Some(parent) => Some(find_case(&agent, &parent).await?),
                None => None,
            };
            let case = agent.create_case(NewCase { title, statement: reason.into(), review, parent }).await?;
            note("The case is founded, with the recovery device of your office as a visible member.");
            say(&case.to_string());
            Ok(())
        }
        Command::List => list(&agent, options).await,
        Command::Show { case } => show(&agent, find_case(&agent, &case).await?, options).await,
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
                    Exit::NotFound,
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
                return Ok(());
            }
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(&agent, case, exhibit).await?);
            }
            agent.add_members(case, joining, chosen, &reason.into()).await?;
            note(&format!("{person} is a member."));
            Ok(())
        }
        Command::Remove { case, person, reason } => remove(&agent, find_case(&agent, &case).await?, &person, reason).await,
        Command::Resync { case, reason } => {
            let case = find_own_case(&agent, &case).await?;
            note(match agent.resync(case, &reason.into()).await? {
                Resynced::NotNeeded => "This device follows the case; nothing was done.",
                Resynced::Back => "This device is back in the case.",
                Resynced::AwaitsKey => {
                    "This device is back in the case. The case's key comes with the next contact of a colleague's device (`custodia device sync`, or any \
                     command of theirs on this case); until then nothing of the case opens here, and nothing is added."
                }
            });
            Ok(())
        }
        Command::Leave { case, reason } => {
            let case = find_case(&agent, &case).await?;
            if agent.cases().await?.iter().any(|row| row.id == case && row.standing == Standing::Left) {
                note("You are not in this case any more; nothing was done.");
                return Ok(());
            }
            agent.leave(case, &reason.into()).await?;
            note("You have left; the server gives this device nothing more of the case.");
            Ok(())
        }
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

async fn remove(agent: &Agent, case: CaseId, person: &PersonId, reason: Reason) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let devices: Vec<Sha256Digest> =
        agent.members(case).await?.iter().filter(|member| member.person == *person).map(|member| member.certificate).collect();
    if devices.is_empty() && agent.was_removed(case, person).await? {
        note(&format!("{person} is removed already; nothing was done."));
        return Ok(());
    }
    if devices.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{person} is not a member of this case"),
            "`custodia case show` lists its members.",
        ));
    }
    agent.remove_members(case, devices, &reason.into()).await?;
    note(&format!("{person} is removed. What they had opened they may have kept; nothing else opens for them any more."));
    Ok(())
}

async fn list(agent: &Agent, options: &DeviceOptions) -> Result<(), Failure> {
    let cases = agent.cases().await?;
    if options.json {
        let rows: Vec<_> = cases
            .iter()
            .map(|case| serde_json::json!({"case": case.id, "title": case.title, "standing": format!("{:?}", case.standing)}))
            .collect();
        say(&serde_json::Value::from(rows).to_string());
        return Ok(());
    }
    let row = |case: &custodia_client::CaseSummary| {
        [
            case.id.to_string(),
            format!("{:?}", case.standing).to_lowercase(),
            case.title.as_deref().map_or_else(|| "(title not readable here)".to_owned(), printable),
        ]
    };
    table(["CASE", "STANDING", "TITLE"], cases.iter().map(row).collect());
    for row in agent.cases_at_server().await?.cases.iter().filter(|row| cases.iter().all(|case| case.id != row.case)) {
        note(&format!("This device was added to case {} and cannot read its invitation: `custodia case resync {}`.", row.case, row.case));
    }
    Ok(())
}

async fn show(agent: &Agent, case: CaseId, options: &DeviceOptions) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let members = agent.members(case).await?;
    let cases = agent.cases().await?;
    let title = |id: CaseId| cases.iter().find(|row| row.id == id).and_then(|row| row.title.clone());
    let parent = agent.parent_of(case).await?;
    let mut parts = Vec::new();
    for other in cases.iter().filter(|other| other.standing == Standing::Member) {
        if agent.parent_of(other.id).await? == Some(case) {
            parts.push(other.id);
        }
    }
    if options.json {
        let rows: Vec<_> = members
            .iter()
            .map(|member| {
                let (role, standing) = (member.role.as_str(), member.standing);
                serde_json::json!({"person": member.person, "role": role, "standing": standing, "device": member.label, "certificate": member.current, "valid_until": day(member.ends)})
            })
            .collect();
        let shown = serde_json::json!({"case": case, "title": title(case), "parent": parent, "parts": parts, "members": rows});
        say(&shown.to_string());
        return Ok(());
    }
    let named = |id: CaseId| format!("{id}  {}", title(id).as_deref().map_or_else(String::new, printable));
    say(&named(case));
    if let Some(parent) = parent {
        say(&format!("a restricted part of {}", named(parent)));
    }
    for part in parts {
        say(&format!("its restricted part {}", named(part)));
    }
    let row = |member: &MemberRow| {
        [
            member.person.to_string(),
            member.role.to_string(),
            member.standing.as_str().to_owned(),
            day(member.ends),
            printable(&member.label),
            member.current.to_string()[..16].to_owned(),
        ]
    };
    table(["MEMBER", "ROLE", "STANDING", "VALID UNTIL", "DEVICE", "CERTIFICATE"], members.iter().map(row).collect());
    if members.iter().any(|member| member.standing == MemberStanding::Expired) {
        note(
            "Whose certificate has ended stays in the group, and the server takes nothing from them until it is renewed: `custodia device renew`.",
        );
    }
    Ok(())
}
