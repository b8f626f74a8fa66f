//! Delivering acts: what was signed and stored is sent until it is answered, and its answer is settled in one local transaction.
//!
//! An act that left this machine may have been entered even if no answer came, so it is never withdrawn on a broken connection. Openings are not
//! kept for a later run: nobody would be there to look, and the server refuses an opening signed a day ago.

use custodia_api::messages::{Acknowledged, Changed};
use custodia_core::custody::body::Body;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::record::Outcome;
use custodia_core::group::facts::GroupId;
use custodia_failpoint::fail_point;
use custodia_mls::CaseGroup;
use sqlx::SqliteConnection;

use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::HttpError;
use crate::log_view::{Entry, Misbehaviour};
use crate::state::acts::OutboxRow;
use crate::state::keys::Standing;
use crate::state::{self, acts, intake, keys};

/// What became of a request.
enum Answer {
    /// It took effect.
    Entered(Vec<Receipt>),
    /// It did not, and never will.
    Final(AgentError),
}

impl Agent {
    /// Sends what waits in the outbox, oldest first, and settles the answers.
    ///
    /// # Errors
    /// The first request that could not be delivered stays for the next time; one that was refused is settled and reported.
    pub async fn deliver(&self) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.deliver_waiting().await.map(drop)
    }

    /// As [`Agent::deliver`], for a caller that has the turn; gives the entry of the last act delivered.
    pub(crate) async fn deliver_waiting(&self) -> Result<Option<Entry>, AgentError> {
        let waiting = acts::waiting(&mut *self.state.connection().await).await?;
        let mut last = None;
        for row in waiting {
            last = Some(self.deliver_row(&row).await?);
        }
        Ok(last)
    }

    async fn deliver_row(&self, row: &OutboxRow) -> Result<Entry, AgentError> {
        let text = acts::text(&mut *self.state.connection().await, row.intent).await?;
        let intent = text
            .and_then(|text| UnverifiedIntent::parse(&text).ok())
            .and_then(|intent| intent.verify(&self.device.key.verifying_key()).ok())
            .ok_or(state::StateError::Damaged("act"))?;
        fail_point!("agent.outbox.before_send");
        let answer = self.send(row, &intent).await?;
        fail_point!("agent.outbox.answered");
        match answer {
            Answer::Entered(receipts) => {
                let first = self.first_receipt(&receipts, &intent).await?;
                let entry = self.accept_receipt(first, &intent).await?;
                if let Outcome::Refused(rule) = &entry.outcome {
                    let refused = HttpError::Refused {
                        rule: Some(rule.as_str().to_owned()),
                        message: "the act was entered as refused".to_owned(),
                        next: "See what the rule demands".to_owned(),
                        receipt: Some(Box::new(first.clone())),
                    };
                    self.settle(&intent, None).await?;
                    return Err(refused.into());
                }
                self.settle(&intent, Some(first)).await?;
                Ok(entry)
            }
            Answer::Final(error) => {
                self.settle(&intent, None).await?;
                Err(error)
            }
        }
    }

    async fn send(&self, row: &OutboxRow, intent: &SignedIntent) -> Result<Answer, AgentError> {
        let http = &self.link()?.http;
        let answer = match intent.body {
            Body::MemberChange(_) => http.post_text::<Changed>(&row.path, &row.body).await.map(|changed| changed.receipts),
            _ => http.post_text::<Acknowledged>(&row.path, &row.body).await.map(|acknowledged| vec![acknowledged.receipt]),
        };
        match answer {
            Ok(receipts) => Ok(Answer::Entered(receipts)),
            // Nothing is known of the act, or it may succeed as it is once something else is mended.
            Err(
                error @ (HttpError::Unavailable(_) | HttpError::Misbehaved(_) | HttpError::NotAuthenticated { .. } | HttpError::Address(_)),
            ) => Err(error.into()),
            Err(error) => Ok(Answer::Final(self.proven_refusal(error, intent).await?)),
        }
    }

    async fn first_receipt<'a>(&self, receipts: &'a [Receipt], intent: &SignedIntent) -> Result<&'a Receipt, AgentError> {
        let missing = || Misbehaviour::shown("an act was acknowledged without a receipt", intent.text());
        let first = receipts.first().ok_or_else(|| missing().into());
        self.keeping_evidence(first).await
    }

    /// Applies an answer to the state: with a receipt the act took effect, without one it never will.
    async fn settle(&self, intent: &SignedIntent, receipt: Option<&Receipt>) -> Result<(), AgentError> {
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        match (&intent.body, receipt) {
            (Body::CaseCreate(_), Some(_)) => set_case(&mut transaction, intent, |case| case.standing = Standing::Member).await?,
            (Body::CaseCreate(_), None) => {
                finish_commit(&mut transaction, GroupId::first(intent.case), |group, mls| group.erase(mls).map(|()| None)).await?;
                keys::forget_case(&mut transaction, intent.case).await?;
            }
            (Body::MemberChange(body), Some(_)) if body.resync => {
                set_case(&mut transaction, intent, |case| case.ring_version = body.ring_version).await?;
                keys::promote_context(&mut transaction, intent.case).await?;
            }
            (Body::MemberChange(body), None) if body.resync => keys::forget_group(&mut transaction, group_of(intent)?).await?,
            (Body::MemberChange(body), Some(_)) => {
                finish_commit(&mut transaction, group_of(intent)?, |mut group, mls| group.merge_pending(mls).map(|()| Some(group))).await?;
                set_case(&mut transaction, intent, |case| case.ring_version = body.ring_version).await?;
                keys::promote_context(&mut transaction, intent.case).await?;
            }
            (Body::MemberChange(_), None) => {
                finish_commit(&mut transaction, group_of(intent)?, |mut group, mls| group.clear_pending(mls).map(|()| Some(group))).await?;
            }
            (Body::GroupSucceed(body), Some(_)) => {
                let next = GroupId { case: intent.case, generation: body.generation };
                finish_commit(&mut transaction, next, |mut group, mls| group.merge_pending(mls).map(|()| Some(group))).await?;
                keys::forget_group(&mut transaction, group_of(intent)?).await?;
                let (group_id, ring_version) = (next.to_bytes().to_vec(), body.ring_version);
                set_case(&mut transaction, intent, |case| (case.group_id, case.ring_version) = (group_id, ring_version)).await?;
                keys::promote_context(&mut transaction, intent.case).await?;
            }
            (Body::GroupSucceed(body), None) => {
                keys::forget_group(&mut transaction, GroupId { case: intent.case, generation: body.generation }).await?;
            }
            (Body::Collection(_), Some(_)) => {
                if let Some(exhibit) = intent.exhibit {
                    intake::collect(&mut transaction, exhibit).await?;
                }
            }
            (Body::MemberLeave(_), Some(_)) => set_case(&mut transaction, intent, |case| case.standing = Standing::Left).await?,
            _ => {}
        }
        acts::answered(&mut transaction, intent.id, receipt).await?;
        fail_point!("agent.outbox.merged");
        transaction.commit().await.map_err(state::StateError::from)?;
        fail_point!("agent.outbox.settled");
        Ok(())
    }
}

async fn set_case(
    connection: &mut SqliteConnection,
    intent: &SignedIntent,
    change: impl FnOnce(&mut keys::CaseFile),
) -> Result<(), AgentError> {
    let mut case = keys::case(connection, intent.case).await?.ok_or(state::StateError::Damaged("case"))?;
    change(&mut case);
    Ok(keys::put_case(connection, &case).await?)
}

/// The group of a commit: the one that its intent was signed in.
fn group_of(intent: &SignedIntent) -> Result<GroupId, AgentError> {
    let group = intent.group.as_ref().and_then(|seen| GroupId::from_bytes(&seen.id.0));
    Ok(group.ok_or(state::StateError::Damaged("act"))?)
}

/// Loads the group, does one thing to it, and writes what changed.
async fn finish_commit(
    connection: &mut SqliteConnection,
    id: GroupId,
    act: impl FnOnce(CaseGroup, &custodia_mls::MlsState) -> Result<Option<CaseGroup>, custodia_mls::MlsError>,
) -> Result<(), AgentError> {
    let mut mls = keys::load_mls(connection, Some(id)).await?;
    let changes = {
        let group = CaseGroup::load(&mls, id)?.ok_or(state::StateError::Damaged("case group"))?;
        drop(act(group, &mls)?);
        mls.take_changes()
    };
    Ok(keys::write_mls(connection, &changes).await?)
}
