//! `custodia case leave`: the last prosecutor leaves knowingly, and only where somebody can be brought in again.

use std::collections::BTreeSet;

use custodia_client::Agent;
use custodia_client::state::keys::Standing;
use custodia_core::ids::{CaseId, PersonId};

use super::super::Reason;
use super::Moved;
use crate::failure::{Code, Failure};
use crate::terminal::{answer, note};

/// Leaves a case.
pub async fn run(agent: &Agent, case: CaseId, last: bool, reason: Reason) -> Result<(), Failure> {
    if agent.cases().await?.iter().any(|row| row.id == case && row.standing == Standing::Left) {
        note("You are not in this case any more; nothing was done.");
        return answer(&Moved { case, person: None, changed: false });
    }
    agent.refresh(case).await?;
    let officers = agent.officers_after_leaving(case).await?;
    if let Some(officers) = &officers {
        may_leave_last(officers, last)?;
    }
    agent.leave(case, &reason.into()).await?;
    note("You have left; the server gives this device nothing more of the case.");
    if officers.is_some() {
        note("The case stands without a prosecutor. Two recovery officers bring one in: `custodia case recover` with --lost.");
    }
    answer(&Moved { case, person: None, changed: true })
}

fn may_leave_last(officers: &BTreeSet<PersonId>, last: bool) -> Result<(), Failure> {
    let named = officers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if officers.len() < 2 {
        return Err(Failure::new(
            Code::LastProsecutor,
            format!(
                "you are the last prosecutor of this case, and the recovery devices in it are of one person ({named}): nobody could ever be \
                 brought in"
            ),
            "Add a second recovery officer or a colleague first: `custodia case add`.",
        ));
    }
    if last {
        return Ok(());
    }
    Err(Failure::new(
        Code::LastProsecutor,
        format!("you are the last prosecutor of this case: nobody will open or add anything until {named} bring somebody in"),
        "Add a colleague first (`custodia case add`), or leave with --last; two recovery officers then use `custodia case recover`.",
    ))
}
