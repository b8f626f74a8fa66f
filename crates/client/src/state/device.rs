//! Rows about the device itself and the server that it is bound to.

use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::DeviceId;
use custodia_core::secret::Secret32;
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed};

/// The device's own keys and papers.
#[derive(Debug, Clone)]
pub struct DeviceRow {
    /// The device.
    pub id: DeviceId,
    /// Seed of its Ed25519 key.
    pub signing_key: Secret32,
    /// Seed of its X-Wing sealing key.
    pub sealing_seed: Secret32,
    /// Its request for a certificate, a compact JWS.
    pub request: String,
    /// Its certificate, DER, once an office has issued one.
    pub certificate: Option<Vec<u8>>,
}

/// The server and log that this device is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// Base URL.
    pub url: String,
    /// The log's origin.
    pub origin: String,
    /// The log's key as a C2SP vkey.
    pub log_key: String,
    /// SHA-256 of the first trust list's payload.
    pub trust_pin: Sha256Digest,
    /// Root certificates by which its TLS is judged, DER.
    pub tls_roots: Vec<Vec<u8>>,
}

/// Writes a new device.
///
/// # Errors
/// What the database refuses, a second device among it.
pub async fn insert(connection: &mut SqliteConnection, row: &DeviceRow) -> Result<(), StateError> {
    sqlx::query("INSERT INTO device VALUES (1, ?, ?, ?, ?, ?)")
        .bind(row.id.as_bytes().as_slice())
        .bind(row.signing_key.expose().as_slice())
        .bind(row.sealing_seed.expose().as_slice())
        .bind(&row.request)
        .bind(&row.certificate)
        .execute(connection)
        .await?;
    Ok(())
}

/// Reads the device.
///
/// # Errors
/// [`StateError::Damaged`] if there is none.
pub async fn load(connection: &mut SqliteConnection) -> Result<DeviceRow, StateError> {
    let row = sqlx::query("SELECT id, signing_key, sealing_seed, request, certificate FROM device")
        .fetch_optional(connection)
        .await?
        .ok_or(StateError::Damaged("device"))?;
    Ok(DeviceRow {
        id: DeviceId::from_bytes(fixed(row.try_get(0)?, "device id")?),
        signing_key: Secret32::from_bytes(fixed(row.try_get(1)?, "signing key")?),
        sealing_seed: Secret32::from_bytes(fixed(row.try_get(2)?, "sealing key")?),
        request: row.try_get(3)?,
        certificate: row.try_get(4)?,
    })
}

/// Keeps the device's certificate, the one before replaced.
///
/// # Errors
/// What the database refuses.
pub async fn set_certificate(connection: &mut SqliteConnection, der: &[u8]) -> Result<(), StateError> {
    sqlx::query("UPDATE device SET certificate = ?").bind(der).execute(connection).await?;
    Ok(())
}

/// Binds the device to a server; a second binding is refused by the database.
///
/// # Errors
/// What the database refuses.
pub async fn bind_server(connection: &mut SqliteConnection, row: &ServerRow) -> Result<(), StateError> {
    sqlx::query("INSERT INTO server VALUES (1, ?, ?, ?, ?, ?)")
        .bind(&row.url)
        .bind(&row.origin)
        .bind(&row.log_key)
        .bind(row.trust_pin.as_bytes().as_slice())
        .bind(roots_text(&row.tls_roots))
        .execute(connection)
        .await?;
    Ok(())
}

fn roots_text(roots: &[Vec<u8>]) -> String {
    let roots: Vec<Base64> = roots.iter().cloned().map(Base64).collect();
    serde_json::to_string(&roots).expect("an array of texts serialises")
}

/// The server moved; its log and pins stay.
///
/// # Errors
/// What the database refuses.
pub async fn move_server(connection: &mut SqliteConnection, url: &str, tls_roots: &[Vec<u8>]) -> Result<(), StateError> {
    sqlx::query("UPDATE server SET url = ?, tls_roots = ?").bind(url).bind(roots_text(tls_roots)).execute(connection).await?;
    Ok(())
}

/// Reads the binding, if there is one.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn server(connection: &mut SqliteConnection) -> Result<Option<ServerRow>, StateError> {
    let Some(row) = sqlx::query("SELECT url, origin, log_key, trust_pin, tls_roots FROM server").fetch_optional(connection).await? else {
        return Ok(None);
    };
    let roots: Vec<Base64> = serde_json::from_str(row.try_get(4)?).map_err(|_| StateError::Damaged("TLS roots"))?;
    Ok(Some(ServerRow {
        url: row.try_get(0)?,
        origin: row.try_get(1)?,
        log_key: row.try_get(2)?,
        trust_pin: Sha256Digest::from_bytes(fixed(row.try_get(3)?, "trust pin")?),
        tls_roots: roots.into_iter().map(|root| root.0).collect(),
    }))
}
