//! Who vouches for the log's heads, and what came in last: by the database alone, nobody is asked.

use custodia_core::time::LogTime;

use super::{Finding, Grade};
use crate::clock::{Clock as _, MachineClock};
use crate::config::ServerConfig;
use crate::store::kept::{Last, last_cosigned, last_stamped};
use crate::store::{Conn, Store, StoreError, log};

const MEANING: &str = "What is late is asked for again every few minutes; the diagnostics say why it did not come.";

/// What each witness cosigned and each authority stamped last; nothing if the configuration names none.
pub(crate) async fn examine(config: &ServerConfig) -> Vec<Finding> {
    let mut members: Vec<(&'static str, String, Option<String>, u64)> = Vec::new();
    if let Some(witnesses) = &config.witnesses {
        match witnesses.read_policy(None) {
            Err(error) => return vec![Finding::new(Grade::Bad, "witnesses", error, "Without its policy the server does not start.")],
            Ok(policy) => members.extend(policy.witnesses().iter().map(|witness| {
                let name = String::from_utf8_lossy(&witness.name).into_owned();
                ("witness", name, Some(witness.key.to_string()), witnesses.every_seconds)
            })),
        }
    }
    if let Some(stamps) = &config.stamps {
        members.extend(stamps.authorities.iter().map(|authority| ("time stamps", authority.name.clone(), None, stamps.every_seconds)));
    }
    if members.is_empty() {
        return Vec::new();
    }
    // A database that cannot be reached, or holds no log yet, is told by other findings.
    let Ok(store) = Store::connect(&config.database_url()).await else { return Vec::new() };
    let mut findings = Vec::new();
    if let Ok(mut conn) = store.read().await {
        for (about, name, vkey, every) in &members {
            match last(&mut conn, name, vkey.as_deref()).await {
                Ok((records, last)) => findings.push(finding(about, name, records, last, *every)),
                Err(_) => break,
            }
        }
    }
    store.close().await;
    findings
}

async fn last(conn: &mut Conn, name: &str, vkey: Option<&str>) -> Result<(u64, Option<Last>), StoreError> {
    let head = log::head(conn).await?.ok_or(StoreError::Corrupt("the log was never begun"))?;
    let last = match vkey {
        Some(vkey) => last_cosigned(conn, vkey).await?,
        None => last_stamped(conn, name).await?,
    };
    Ok((head.size.get(), last))
}

fn finding(about: &'static str, name: &str, records: u64, last: Option<Last>, every: u64) -> Finding {
    let Some(Last { size, seconds }) = last else {
        return Finding::new(Grade::Note, about, format!("{name}: nothing yet of {records} records"), MEANING);
    };
    let time = LogTime::from_millis(seconds.saturating_mul(1000)).map_or_else(|_| format!("{seconds} s"), |time| time.to_string());
    let late = size.get() < records && MachineClock.now().seconds().saturating_sub(seconds) > 3 * every;
    let grade = if late { Grade::Note } else { Grade::Good };
    Finding::new(grade, about, format!("{name}: {size} of {records} records, at {time}"), MEANING)
}
