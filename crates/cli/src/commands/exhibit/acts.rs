//! Acts on an exhibit that open nothing, and what its chain makes of it.

use clap::Subcommand;
use custodia_client::custody::{CustodyAct, ExhibitStatus};
use custodia_client::entries::{AuditEntry, to_table};
use custodia_client::{Agent, Statement};
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::ids::{CaseId, ExhibitId, PersonId};

use super::super::{Reason, find_case};
use super::find_exhibit;
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{note, printable, say, width};

/// Commands that act on an exhibit without opening it.
#[derive(Subcommand)]
pub enum Command {
    /// Show an exhibit's state, holds, consents and origin, as its verified chain makes them; with a purpose and a reason every act on it too.
    Show {
        /// The case.
        case: String,
        /// The exhibit's id or the beginning of it.
        exhibit: String,
        /// Why the acts on it are read: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings. It is entered.
        #[arg(long, requires = "reason")]
        purpose: Option<Purpose>,
        /// Why the acts on it are read: sealed to the auditors.
        #[arg(long, requires = "purpose")]
        reason: Option<String>,
    },
    /// Grant exhibits to a member who joined later; each is a disclosure.
    Grant {
        /// The case.
        case: String,
        /// office/person.
        person: PersonId,
        /// The exhibits' ids or the beginnings of them.
        #[arg(required = true)]
        exhibits: Vec<String>,
        /// Why: as for open.
        #[arg(long)]
        purpose: Purpose,
        #[command(flatten)]
        reason: Reason,
    },
    /// Forbid erasing an exhibit, until your office lifts its hold again.
    Hold {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// Lift your office's hold.
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Restrict an exhibit to prosecution, trial and the defence (LED Art 16(3)).
    Restrict {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// End the restriction.
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        reason: Reason,
    },
    /// Consent, as the office that collected it, to what the handling code bars.
    Consent {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// To what: judicial-use (H1: it may go into a dossier) or onward (H2: it may be passed on).
        #[arg(long, value_parser = ["judicial-use", "onward"])]
        to: String,
        /// Whom the consent names: office/person, or in words.
        #[arg(long = "recipient")]
        recipients: Vec<String>,
        #[command(flatten)]
        reason: Reason,
    },
    /// Change an exhibit's handling code (the office that collected it) or its day of review.
    Alter {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// The new handling code.
        #[arg(long, value_parser = ["H0", "H1", "H2", "H3"], required_unless_present = "review")]
        handling: Option<String>,
        /// The new day of review, YYYY-MM-DD.
        #[arg(long)]
        review: Option<String>,
        #[command(flatten)]
        reason: Reason,
    },
    /// Record that an exhibit travels outside the system, such as on a USB stick.
    Transfer {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// How.
        #[arg(long, value_parser = ["usb", "courier", "post", "in-person", "other-system"])]
        means: String,
        /// To whom: office/person, or in words.
        #[arg(long = "recipient", required = true)]
        recipients: Vec<String>,
        /// Why: as for open.
        #[arg(long)]
        purpose: Purpose,
        #[command(flatten)]
        reason: Reason,
    },
    /// Erase an exhibit: you propose, another person confirms. Its entries stay.
    Erase {
        /// The case.
        case: String,
        /// The exhibit.
        exhibit: String,
        /// Confirm the erasure that another person proposed; `exhibit show --purpose … --reason …` shows who and why.
        #[arg(long)]
        confirm: bool,
        /// Why: as for open.
        #[arg(long)]
        purpose: Purpose,
        #[command(flatten)]
        reason: Reason,
    },
}

/// Runs such a command.
pub async fn run(command: Command, agent: &Agent, options: &DeviceOptions) -> Result<(), Failure> {
    let (case, exhibit, act, reason) = match command {
        Command::Show { case, exhibit, purpose, reason } => {
            let case = find_case(agent, &case).await?;
            let exhibit = find_exhibit(agent, case, &exhibit).await?;
            let reading = purpose.zip(reason.map(|reason| Statement { reason, reference: None }));
            return show(agent, case, exhibit, reading, options).await;
        }
        Command::Grant { case, person, exhibits, purpose, reason } => {
            let case = find_case(agent, &case).await?;
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(agent, case, exhibit).await?);
            }
            agent.grant_exhibits(case, &person, &chosen, purpose, &reason.into()).await?;
            note(&format!("{person} can open them, and so can the recovery devices of their office; each grant stands in the log."));
            return Ok(());
        }
        Command::Hold { case, exhibit, lift, reason } => {
            (case, exhibit, if lift { CustodyAct::LiftHold } else { CustodyAct::PlaceHold }, reason)
        }
        Command::Restrict { case, exhibit, lift, reason } => {
            (case, exhibit, if lift { CustodyAct::LiftRestriction } else { CustodyAct::PlaceRestriction }, reason)
        }
        Command::Consent { case, exhibit, to, recipients, reason } => {
            (case, exhibit, CustodyAct::Consent { to: serde_json::from_value(to.into()).map_err(misread)?, recipients }, reason)
        }
        Command::Alter { case, exhibit, handling, review, reason } => {
            let handling = handling.map(|code| serde_json::from_value(code.into())).transpose().map_err(misread)?;
            let review = review.map(|day| CalendarDate::parse(&day)).transpose();
            let review = review.map_err(|error| Failure::usage(format!("--review: {error}"), ""))?;
            (case, exhibit, CustodyAct::Alter { handling, review }, reason)
        }
        Command::Transfer { case, exhibit, means, recipients, purpose, reason } => {
            let means = serde_json::from_value(means.into()).map_err(misread)?;
            (case, exhibit, CustodyAct::Transfer { means, recipients, purpose }, reason)
        }
        Command::Erase { case, exhibit, confirm, purpose, reason } => {
            let act = if confirm { CustodyAct::ConfirmErasure { purpose } } else { CustodyAct::ProposeErasure { purpose } };
            (case, exhibit, act, reason)
        }
    };
    let case = find_case(agent, &case).await?;
    let exhibit = find_exhibit(agent, case, &exhibit).await?;
    let told = told(&act);
    let entry = agent.act_on_exhibit(case, exhibit, act, &reason.into()).await?;
    note(&format!("{told} It stands in the log as record {}.", entry.index));
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err asks for")]
fn misread(error: serde_json::Error) -> Failure {
    Failure::new(Exit::Unexpected, format!("a word that the command allows is not one of the format: {error}"), "")
}

const fn told(act: &CustodyAct) -> &'static str {
    match act {
        CustodyAct::PlaceHold => "The exhibit is held: nobody erases it until your office lifts the hold.",
        CustodyAct::LiftHold => "Your office's hold is lifted.",
        CustodyAct::PlaceRestriction => "The exhibit opens for prosecution, trial and the defence only.",
        CustodyAct::LiftRestriction => "The restriction has ended.",
        CustodyAct::Consent { .. } => "Your office has consented.",
        CustodyAct::Alter { .. } => "What is said about the exhibit is changed.",
        CustodyAct::Transfer { .. } => "The transfer is recorded.",
        CustodyAct::ProposeErasure { .. } => "The erasure is proposed; it takes effect when another person confirms it.",
        CustodyAct::ConfirmErasure { .. } => "The exhibit is erased: its release share is destroyed, and its entries stay.",
    }
}

async fn show(
    agent: &Agent,
    case: CaseId,
    exhibit: ExhibitId,
    reading: Option<(Purpose, Statement)>,
    options: &DeviceOptions,
) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let mut read = false;
    if let Some((purpose, statement)) = reading {
        let index = agent.enter_case_reading(case, purpose, &statement).await?;
        note(&format!("That you read the acts on it is record {index}."));
        read = true;
    }
    let status = agent.exhibit_status(case, exhibit).await?;
    let standing = &status.standing;
    let state = format!("{:?}", standing.state).to_lowercase();
    let holds: Vec<String> = standing.holds.iter().map(ToString::to_string).collect();
    let consents: Vec<&AuditEntry> = status.entries.iter().filter(|entry| entry.kind == Kind::ConsentGive && entry.accepted()).collect();
    let derivations: Vec<String> = status.derivations.iter().map(derivation).collect();
    if options.json {
        let shown = serde_json::json!({
            "exhibit": exhibit, "state": state, "handling": standing.handling, "originator": standing.originator, "holds": holds,
            "consents": standing.consents, "review": standing.review, "derivations": derivations,
            "proposed_erasure": proposed(&status).map(|entry| entry.index), "entries": read.then_some(&status.entries),
        });
        say(&shown.to_string());
        return Ok(());
    }
    let titles = agent.exhibit_titles(case).await?;
    let title = titles.iter().find(|(id, _)| *id == exhibit).map_or("(not opened on this device)", |(_, title)| title);
    say(&format!("{exhibit}  {}", printable(title)));
    say(&format!("state        {state}{}", tombstone(&status).unwrap_or_default()));
    say(&format!("handling     {:?}, collected by {}", standing.handling, standing.originator));
    say(&format!("review       {}", printable(&standing.review)));
    say(&format!("holds        {}", if holds.is_empty() { "none".to_owned() } else { holds.join(", ") }));
    for consent in consents {
        say(&format!("consent      to {}, record {}", consent.form.as_deref().unwrap_or_default(), consent.index));
    }
    if let Some(proposal) = proposed(&status) {
        say(&format!("erasure      proposed by {}, record {}; another person confirms it", who(proposal), proposal.index));
    }
    for derivation in derivations {
        say(&format!("derivation   {derivation}"));
    }
    if read {
        say(&format!("\n{}", to_table(&status.entries, width()).trim_end()));
    } else {
        note(&format!("{} acts on it stand in the log; --purpose and --reason show them.", status.entries.len()));
    }
    Ok(())
}

fn who(entry: &AuditEntry) -> String {
    entry.person.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string)
}

fn last_erasure(status: &ExhibitStatus) -> Option<&AuditEntry> {
    status.entries.iter().rev().find(|entry| entry.kind == Kind::Erasure && entry.accepted())
}

/// The proposal that waits for another person.
fn proposed(status: &ExhibitStatus) -> Option<&AuditEntry> {
    last_erasure(status).filter(|entry| entry.form.as_deref() == Some("proposed"))
}

fn tombstone(status: &ExhibitStatus) -> Option<String> {
    let erased = last_erasure(status).filter(|entry| entry.form.as_deref() == Some("confirmed"))?;
    Some(format!(" on {} by {}, record {}; its entries stay", erased.time, who(erased), erased.index))
}

fn derivation(link: &custodia_client::custody::KnownDerivation) -> String {
    let how = format!("{:?}", link.how).to_lowercase();
    let other = link.other.map_or_else(|| "an exhibit whose name is not readable on this device".to_owned(), |other| other.to_string());
    let (index, is_source) = (link.index, link.is_source);
    if is_source { format!("source of a {how}, {other} (record {index})") } else { format!("a {how} of {other} (record {index})") }
}
