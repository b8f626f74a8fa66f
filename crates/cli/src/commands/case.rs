//! `custodia case …`: cases and their members.

mod recover;

use std::collections::BTreeSet;

use clap::{Subcommand, ValueEnum};
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, Joining, NewCase};
use custodia_core::custody::body::Terms;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId, PersonId};

use super::{Reason, agent_in_touch, find_case};
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
        /// An exhibit that they may open, with --history chosen.
        #[arg(long = "exhibit", value_name = "EXHIBIT")]
        exhibits: Vec<ExhibitId>,
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
    /// Bring somebody back who lost every device: an officer proposes, another person confirms.
    Recover(recover::Recover),
    /// Continue a case in a new group, after a commit that its members cannot process and that was reported.
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
        /// Leave although you are its last prosecutor: it is closed until officers of your office bring somebody in with `case recover`.
        #[arg(long)]
        last: bool,
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
            let officers = agent.members(case).await?.into_iter().filter(|member| member.role == Role::Recovery);
            if officers.map(|member| member.person).collect::<BTreeSet<_>>().len() < 2 {
                note("Your office has one recovery officer: while you are alone in the case, nobody could confirm the recovery of a lost device. Enrol a second.");
            }
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
            let devices = agent.devices().await?;
            let joining: Vec<Joining> = devices
                .iter()
                .filter(|device| *device.person() == person)
                .map(|device| Joining { device: device.id().digest(), terms })
                .collect();
            if joining.is_empty() {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!("{person} has no device in good standing"),
                    "Their office enrols one: `custodia office issue`.",
                ));
            }
            agent.refresh(case).await?;
            let members = agent.members(case).await?;
            if joining.iter().all(|one| members.iter().any(|member| member.certificate == one.device)) {
                note(&format!("{person} is a member already; nothing was done."));
                return Ok(());
            }
            agent.add_members(case, joining, exhibits, &reason.into()).await?;
            note(&format!("{person} is a member."));
            Ok(())
        }
        Command::Remove { case, person, reason } => remove(&agent, find_case(&agent, &case).await?, &person, reason).await,
        Command::Succeed { case, reason } => {
            let case = find_case(&agent, &case).await?;
            let generation = agent.succeed(case, &reason.into()).await?;
            note(&format!(
                "The case goes on in a new group, generation {generation}. Its members come over when they next come in touch; whoever made the \
                 commit that nobody could process is left out until somebody adds them again."
            ));
            Ok(())
        }
        Command::Recover(words) => recover::run(&agent, words).await,
        Command::Leave { case, last, reason } => {
            let case = find_case(&agent, &case).await?;
            if agent.cases().await?.iter().any(|row| row.id == case && row.standing == Standing::Left) {
                note("You are not in this case any more; nothing was done.");
                return Ok(());
            }
            agent.refresh(case).await?;
            if let Some(officers) = agent.officers_after_leaving(case).await? {
                may_leave_last(&officers, last)?;
            }
            agent.leave(case, &reason.into()).await?;
            note("You have left; the server gives this device nothing more of the case.");
            Ok(())
        }
    }
}

/// The last prosecutor leaves knowingly, and only if two officers remain who can bring somebody in.
fn may_leave_last(officers: &BTreeSet<PersonId>, last: bool) -> Result<(), Failure> {
    let named = officers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if officers.len() < 2 {
        return Err(Failure::new(
            Exit::NotPermitted,
            format!("you are the last prosecutor of this case, and the recovery devices in it are of one person ({named}): nobody could ever be brought in"),
            "Add a second recovery officer or a colleague first: `custodia case add`.",
        ));
    }
    if last {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NotPermitted,
        format!("you are the last prosecutor of this case: nobody will open or add anything until {named} bring somebody in"),
        "Add a colleague first (`custodia case add`), or leave with --last; they then use `custodia case recover`.",
    ))
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
        vec![
            case.id.to_string(),
            format!("{:?}", case.standing).to_lowercase(),
            case.title.as_deref().map_or_else(|| "(title not readable here)".to_owned(), printable),
        ]
    };
    table(&["CASE", "STANDING", "TITLE"], &cases.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

async fn show(agent: &Agent, case: CaseId, options: &DeviceOptions) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let members = agent.members(case).await?;
    let cases = agent.cases().await?;
    let title = |id: CaseId| cases.iter().find(|row| row.id == id).and_then(|row| row.title.clone());
    let parent = agent.parent_of(case).await?;
    let generation = agent.generation(case).await?;
    let recoveries: Vec<String> = agent.recoveries(case).await?.iter().map(recover::told).collect();
    let mut parts = Vec::new();
    for other in cases.iter().filter(|other| other.standing == Standing::Member) {
        if agent.parent_of(other.id).await? == Some(case) {
            parts.push(other.id);
        }
    }
    if options.json {
        let rows: Vec<_> = members
            .iter()
            .map(|member| serde_json::json!({"person": member.person, "role": member.role.as_str(), "device": member.label, "certificate": member.certificate}))
            .collect();
        let shown = serde_json::json!({"case": case, "title": title(case), "parent": parent, "parts": parts, "members": rows, "recoveries": recoveries, "generation": generation});
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
    if generation > 0 {
        say(&format!("its group is number {}: {generation} before it ended with a commit that nobody could process", generation + 1));
    }
    for recovery in recoveries {
        say(&recovery);
    }
    let row = |member: &custodia_client::MemberRow| {
        vec![member.person.to_string(), member.role.to_string(), printable(&member.label), member.certificate.to_string()[..16].to_owned()]
    };
    table(&["MEMBER", "ROLE", "DEVICE", "CERTIFICATE"], &members.iter().map(row).collect::<Vec<_>>());
    Ok(())
}
