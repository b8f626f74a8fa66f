//! Acts on an exhibit that open nothing, and what its chain makes of it.

use clap::Subcommand;
use custodia_client::custody::{CustodyAct, ExhibitStatus};
use custodia_client::entries::{AuditEntry, to_table};
use custodia_client::{Agent, Statement};
use custodia_core::custody::body::{ConsentTo, Handling};
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::ids::{CaseId, ExhibitId, OfficeId, PersonId};

use serde::Serialize;

use super::super::{Entered, Reason, find_case};
use super::find_exhibit;
use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer, note, printable, width};

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
pub async fn run(command: Command, agent: &Agent) -> Result<(), Failure> {
    let (case, exhibit, act, reason) = match command {
        Command::Show { case, exhibit, purpose, reason } => {
            let case = find_case(agent, &case).await?;
            let exhibit = find_exhibit(agent, case, &exhibit).await?;
            let reading = purpose.zip(reason.map(|reason| Statement { reason, reference: None }));
            return show(agent, case, exhibit, reading).await;
        }
        Command::Grant { case, person, exhibits, purpose, reason } => {
            let case = find_case(agent, &case).await?;
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(agent, case, exhibit).await?);
            }
            return grant(agent, case, person, &chosen, purpose, &reason.into()).await;
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
            let review = review.map_err(|error| Failure::usage(format!("--review: {error}"), "Write a day as YYYY-MM-DD."))?;
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
    answer(&Entered { record: entry.index })
}

/// Grants one exhibit after the other; those that stand already are passed over, so that the same command goes on where it was interrupted.
async fn grant(
    agent: &Agent,
    case: CaseId,
    person: PersonId,
    exhibits: &[ExhibitId],
    purpose: Purpose,
    statement: &Statement,
) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let members = agent.members(case).await?;
    let devices: Vec<_> = members.iter().filter(|member| member.person == person).map(|member| member.device).collect();
    let mut granted = Vec::with_capacity(exhibits.len());
    for (at, &exhibit) in exhibits.iter().enumerate() {
        let has = agent.exhibit_status(case, exhibit).await?.standing.grants;
        if !devices.is_empty() && devices.iter().all(|device| has.contains(device)) {
            note(&format!("{person} was granted {exhibit} before; nothing was done."));
            granted.push(exhibit);
            continue;
        }
        match agent.grant_exhibits(case, &person, &[exhibit], purpose, statement).await {
            Ok(()) => granted.push(exhibit),
            Err(error) if granted.is_empty() => return Err(error.into()),
            Err(error) => {
                let (refused, left) = (Failure::from(error), exhibits.len() - at);
                answer(&Granted { person, exhibits: granted })?;
                let message =
                    format!("{at} of {} exhibits are granted, {left} are not: exhibit {exhibit}: {}", exhibits.len(), refused.message);
                return Err(Failure { rule: refused.rule, ..Failure::new(Code::PartlyDone, message, "") });
            }
        }
    }
    note(&format!("{person} can open them, and so can the recovery devices of their office; each grant stands in the log."));
    answer(&Granted { person, exhibits: granted })
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err asks for")]
fn misread(error: serde_json::Error) -> Failure {
    Failure::new(Code::Unexpected, format!("a word that the command allows is not one of the format: {error}"), "")
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

/// Exhibits that were granted.
#[derive(Serialize)]
pub struct Granted {
    /// office/person, who may open them now.
    person: PersonId,
    exhibits: Vec<ExhibitId>,
}

impl Answer for Granted {
    fn text(&self) -> String {
        String::new()
    }
}

/// An exhibit as its chain makes it.
#[derive(Serialize)]
pub struct Shown {
    exhibit: ExhibitId,
    /// Null where it was not opened on this device.
    title: Option<String>,
    /// active, restricted, quarantined or erased.
    state: String,
    /// H0, H1, H2 or H3.
    handling: Handling,
    /// The office that collected it.
    originator: OfficeId,
    /// The offices whose holds forbid erasing it.
    holds: Vec<String>,
    /// To what its office consented: judicial-use, onward.
    consents: Vec<ConsentTo>,
    /// The day by which keeping it is reviewed.
    review: String,
    /// What it was made from, and what was made from it, in words.
    derivations: Vec<String>,
    /// The first record by which another person than its collector opened it.
    opened_by_another: Option<u64>,
    /// The record of an erasure that waits for another person.
    proposed_erasure: Option<u64>,
    /// Every act on it; null unless a purpose and a reason for reading them were given.
    entries: Option<Vec<AuditEntry>>,
    #[serde(skip)]
    erased: Option<String>,
    #[serde(skip)]
    consented: Vec<String>,
    #[serde(skip)]
    proposed_by: Option<String>,
}

async fn show(agent: &Agent, case: CaseId, exhibit: ExhibitId, reading: Option<(Purpose, Statement)>) -> Result<(), Failure> {
    agent.refresh(case).await?;
    let read = reading.is_some();
    if let Some((purpose, statement)) = reading {
        let index = agent.enter_case_reading(case, purpose, &statement).await?;
        note(&format!("That you read the acts on it is record {index}."));
    }
    let titles = agent.exhibit_titles(case).await?;
    let ExhibitStatus { standing, entries, derivations } = agent.exhibit_status(case, exhibit).await?;
    if !read {
        note(&format!("{} acts on it stand in the log; --purpose and --reason show them.", entries.len()));
    }
    answer(&Shown {
        exhibit,
        title: titles.into_iter().find(|(id, _)| *id == exhibit).map(|(_, title)| title),
        state: format!("{:?}", standing.state).to_lowercase(),
        handling: standing.handling,
        originator: standing.originator,
        holds: standing.holds.iter().map(ToString::to_string).collect(),
        consents: standing.consents,
        review: standing.review,
        derivations: derivations.iter().map(derivation).collect(),
        opened_by_another: opened_by_another(&entries),
        proposed_erasure: last_erasure(&entries).filter(|entry| entry.form.as_deref() == Some("proposed")).map(|entry| entry.index),
        erased: tombstone(&entries),
        consented: entries
            .iter()
            .filter(|entry| entry.kind == Kind::ConsentGive && entry.accepted())
            .map(|entry| format!("to {}, record {}", entry.form.as_deref().unwrap_or_default(), entry.index))
            .collect(),
        proposed_by: last_erasure(&entries).map(who),
        entries: read.then_some(entries),
    })
}

impl Answer for Shown {
    fn text(&self) -> String {
        let title = self.title.as_deref().unwrap_or("(not opened on this device)");
        let mut lines = vec![
            format!("{}  {}", self.exhibit, printable(title)),
            format!("state        {}{}", self.state, self.erased.as_deref().unwrap_or_default()),
            format!("handling     {:?}, collected by {}", self.handling, self.originator),
            format!("review       {}", printable(&self.review)),
            format!("holds        {}", if self.holds.is_empty() { "none".to_owned() } else { self.holds.join(", ") }),
        ];
        lines.push(match self.opened_by_another {
            Some(record) => format!("opened       by another person than its collector, first in record {record}"),
            None => "opened       by nobody but its collector: that others can open it is not shown yet".to_owned(),
        });
        lines.extend(self.consented.iter().map(|consent| format!("consent      {consent}")));
        if let (Some(record), Some(by)) = (self.proposed_erasure, &self.proposed_by) {
            lines.push(format!("erasure      proposed by {by}, record {record}; another person confirms it"));
        }
        lines.extend(self.derivations.iter().map(|derivation| format!("derivation   {derivation}")));
        match &self.entries {
            Some(entries) => format!("{}\n\n{}", lines.join("\n"), to_table(entries, width()).trim_end()),
            None => lines.join("\n"),
        }
    }
}

fn who(entry: &AuditEntry) -> String {
    entry.person.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string)
}

fn last_erasure(entries: &[AuditEntry]) -> Option<&AuditEntry> {
    entries.iter().rev().find(|entry| entry.kind == Kind::Erasure && entry.accepted())
}

/// The first record by which another person than its collector opened an exhibit.
///
/// It stands before that person's device holds the key against its commitments, and a failure leaves no record: so it is a sign that the
/// exhibit's key reaches others, and no proof.
fn opened_by_another(entries: &[AuditEntry]) -> Option<u64> {
    let collector = entries.iter().find(|entry| entry.kind == Kind::Collection && entry.accepted())?.person.as_ref()?;
    let opens = |entry: &&AuditEntry| match entry.kind {
        Kind::Consultation => true,
        Kind::Disclosure => matches!(entry.form.as_deref(), Some("export" | "dossier")),
        _ => false,
    };
    let by_another = |entry: &&AuditEntry| entry.person.as_ref().is_some_and(|person| person != collector);
    entries.iter().filter(|entry| entry.accepted()).filter(opens).find(by_another).map(|entry| entry.index)
}

fn tombstone(entries: &[AuditEntry]) -> Option<String> {
    let erased = last_erasure(entries).filter(|entry| entry.form.as_deref() == Some("confirmed"))?;
    Some(format!(" on {} by {}, record {}; its entries stay", erased.time, who(erased), erased.index))
}

fn derivation(link: &custodia_client::custody::KnownDerivation) -> String {
    let how = format!("{:?}", link.how).to_lowercase();
    let other = link.other.map_or_else(|| "an exhibit whose name is not readable on this device".to_owned(), |other| other.to_string());
    let (index, is_source) = (link.index, link.is_source);
    if is_source { format!("source of a {how}, {other} (record {index})") } else { format!("a {how} of {other} (record {index})") }
}
