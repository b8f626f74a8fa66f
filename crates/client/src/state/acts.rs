//! Rows about what this device signed, and what has not been answered yet.

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::Receipt;
use custodia_core::ids::IntentId;
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed};

/// A request that is sent again until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The intent that makes it one act, however often it is sent.
    pub intent: IntentId,
    /// Path of the request.
    pub path: String,
    /// JSON body.
    pub body: String,
}

/// Records a signed intent before it leaves this machine.
///
/// # Errors
/// What the database refuses, an intent id used twice among it.
pub async fn insert(connection: &mut SqliteConnection, intent: &SignedIntent) -> Result<(), StateError> {
    sqlx::query("INSERT INTO act (intent, case_id, kind, text) VALUES (?, ?, ?, ?)")
        .bind(intent.id.as_bytes().as_slice())
        .bind(intent.case.as_bytes().as_slice())
        .bind(intent.kind().as_str())
        .bind(intent.text())
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts a request into the outbox; its intent was [`insert`]ed in the same transaction.
///
/// # Errors
/// What the database refuses.
pub async fn post(connection: &mut SqliteConnection, row: &OutboxRow) -> Result<(), StateError> {
    sqlx::query("INSERT INTO outbox (intent, path, body) VALUES (?, ?, ?)")
        .bind(row.intent.as_bytes().as_slice())
        .bind(&row.path)
        .bind(&row.body)
        .execute(connection)
        .await?;
    Ok(())
}

/// What waits for an answer, oldest first.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn waiting(connection: &mut SqliteConnection) -> Result<Vec<OutboxRow>, StateError> {
    let rows = sqlx::query("SELECT intent, path, body FROM outbox ORDER BY id").fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(OutboxRow {
                intent: IntentId::from_bytes(fixed(row.try_get(0)?, "intent id")?),
                path: row.try_get(1)?,
                body: row.try_get(2)?,
            })
        })
        .collect()
}

/// The answer is known: the request leaves the outbox, and a verified receipt stays with the act.
///
/// # Errors
/// What the database refuses.
pub async fn answered(connection: &mut SqliteConnection, intent: IntentId, receipt: Option<&Receipt>) -> Result<(), StateError> {
    let receipt = receipt.map(serde_json::to_string).transpose().map_err(|_| StateError::Damaged("receipt"))?;
    if receipt.is_some() {
        sqlx::query("UPDATE act SET receipt = ? WHERE intent = ?")
            .bind(receipt)
            .bind(intent.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("DELETE FROM outbox WHERE intent = ?").bind(intent.as_bytes().as_slice()).execute(connection).await?;
    Ok(())
}

/// The text of an intent that this device signed, or none if it never did.
///
/// # Errors
/// What the database refuses.
pub async fn text(connection: &mut SqliteConnection, intent: IntentId) -> Result<Option<String>, StateError> {
    Ok(sqlx::query_scalar("SELECT text FROM act WHERE intent = ?").bind(intent.as_bytes().as_slice()).fetch_optional(connection).await?)
}

/// The texts of all intents of a kind that this device signed.
///
/// # Errors
/// What the database refuses.
pub async fn texts(connection: &mut SqliteConnection, kind: Kind) -> Result<Vec<String>, StateError> {
    Ok(sqlx::query_scalar("SELECT text FROM act WHERE kind = ?").bind(kind.as_str()).fetch_all(connection).await?)
}

/// The receipt of an act, once it has been answered.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn receipt(connection: &mut SqliteConnection, intent: IntentId) -> Result<Option<Receipt>, StateError> {
    let text: Option<Option<String>> = sqlx::query_scalar("SELECT receipt FROM act WHERE intent = ?")
        .bind(intent.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    text.flatten().map(|text| serde_json::from_str(&text).map_err(|_| StateError::Damaged("receipt"))).transpose()
}
