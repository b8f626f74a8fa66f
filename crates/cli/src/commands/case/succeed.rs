//! `custodia case succeed`: a case goes on without a commit that its members cannot follow.

use custodia_client::{Agent, Succession};
use custodia_core::ids::{CaseId, PersonId};
use serde::Serialize;

use super::super::Reason;
use crate::failure::Failure;
use crate::terminal::{Answer, answer, note};

/// How a case goes on.
#[derive(Serialize)]
pub struct Succeeded {
    case: CaseId,
    /// Generation of the group in which it does: 0 for the first.
    generation: u32,
    /// Whether a successor group was founded: false if the device followed the case.
    changed: bool,
    /// office/person of those who have no device in the new group any more.
    left_out: Vec<PersonId>,
}

impl Answer for Succeeded {
    fn text(&self) -> String {
        String::new()
    }
}

/// Founds a successor group, if there is need for one.
pub async fn run(agent: &Agent, case: CaseId, reason: Reason) -> Result<(), Failure> {
    let Succession { generation, changed, left_out } = agent.succeed(case, &reason.into()).await?;
    if changed {
        let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        note(&format!(
            "The case goes on in a new group, generation {generation}; its members come over at their next contact, and open what they could. Left \
             out, until somebody adds them again: {}.",
            if left_out.is_empty() { "nobody".to_owned() } else { left_out.join(", ") }
        ));
    } else {
        note("This device follows the case; nothing was done.");
    }
    answer(&Succeeded { case, generation, changed, left_out: left_out.into_iter().collect() })
}
