//! An agent before a server that lies: what it is told is refused, the evidence is kept, and nothing is lost once the server is honest.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod answers;
mod exhibits;
mod groups;
mod log;
mod witnessed;

use std::sync::{Arc, Mutex};

use custodia_client::http::HttpError;
use custodia_client::{Agent, AgentError};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::liar::{Answer, Asked, Liar, Told};
use custodia_tests::world::{Must as _, World, case};

use crate::agent::{add, join};

/// A world with two liars before its server, and agents behind the first; with a case of Ana's and an exhibit of two segments.
async fn world() -> (World, Agent, CaseId, ExhibitId) {
    let world = World::behind(2).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let exhibit = add(&ana, &world, case, "phone", 9_000_000).await;
    (world, ana, case, exhibit)
}

/// Luc, of the other office: a member of the case, behind the second liar.
async fn member_behind_the_other(world: &World, ana: &Agent, case: CaseId) -> Agent {
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, ana, case, Terms::Full, Vec::new()).await;
    luc
}

/// The finding of a server that was caught; it must be the last evidence that the agent keeps.
#[track_caller]
fn finding<T>(result: Result<T, AgentError>) -> String {
    match result {
        Err(AgentError::Misbehaved(misbehaviour)) => misbehaviour.finding.to_owned(),
        Err(AgentError::Http(HttpError::Misbehaved(finding))) => finding.to_owned(),
        Err(other) => panic!("caught as something else: {other}"),
        Ok(_) => panic!("the lie was believed"),
    }
}

async fn caught<T>(agent: &Agent, result: Result<T, AgentError>) -> String {
    let finding = finding(result);
    let evidence = agent.evidence().await.must().pop().expect("evidence is kept");
    assert_eq!(evidence.finding, finding);
    assert!(!evidence.shown.is_empty() || !evidence.held.is_empty(), "{evidence:?}");
    finding
}

/// Remembers the last answer to a kind of request, and tells the truth.
fn remember(liar: &Liar, method: &'static str, path_ends: String) -> Arc<Mutex<Option<Answer>>> {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    liar.lie(move |asked, answer| {
        if asked.is(method, &path_ends) {
            *keep.lock().unwrap() = Some(answer.clone());
        }
        Told::Answer(answer)
    });
    kept
}

/// What is made of an answer's JSON.
type Json = fn(&mut serde_json::Value);

/// Lies about one kind of request and tells the truth about all others.
fn about(liar: &Liar, method: &'static str, path_ends: String, mut lie: impl FnMut(&Asked, Answer) -> Told + Send + 'static) {
    liar.lie(move |asked, answer| if asked.is(method, &path_ends) { lie(asked, answer) } else { Told::Answer(answer) });
}

fn instead(liar: &Liar, method: &'static str, path_ends: String, told: Answer) {
    about(liar, method, path_ends, move |_, _| Told::Answer(told.clone()));
}

/// Changes the JSON of one kind of answer.
fn altered(liar: &Liar, method: &'static str, path_ends: String, change: impl Fn(&mut serde_json::Value) + Send + 'static) {
    about(liar, method, path_ends, move |_, answer| {
        let mut json = answer.json();
        change(&mut json);
        Told::Answer(answer.with(&json))
    });
}
