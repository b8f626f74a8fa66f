//! What the server keeps for single devices: nonces of their requests, and key packages by which others add them.

use std::collections::HashSet;

use custodia_core::digest::Sha256Digest;

use super::sql::{in_parts, sql, sql_groups};
use super::{Conn, StoreError};

/// Remembers a nonce; false if it was used before.
pub(crate) async fn remember_nonce(conn: &mut Conn, keyid: Sha256Digest, nonce: &[u8; 16], expires: u64) -> Result<bool, StoreError> {
    let added = sql("INSERT INTO nonces (keyid, nonce, expires) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bytes(keyid.as_bytes())
        .bytes(nonce)
        .number(expires)
        .run(conn)
        .await?;
    Ok(added == 1)
}

/// A nonce, whose it is, and the second after which a request with it is too old anyway.
pub(crate) type NonceRow = (Sha256Digest, [u8; 16], u64);

/// Remembers nonces, no two of them the same; answers those that were not used before.
pub(crate) async fn remember_nonces(conn: &mut Conn, nonces: &[NonceRow]) -> Result<HashSet<(Sha256Digest, [u8; 16])>, StoreError> {
    let mut fresh = HashSet::with_capacity(nonces.len());
    for part in in_parts(nonces) {
        let tail = " ON CONFLICT DO NOTHING RETURNING keyid, nonce";
        let mut statement = sql_groups("INSERT INTO nonces (keyid, nonce, expires) VALUES ", 3, part.len(), tail);
        for (keyid, nonce, expires) in part {
            statement = statement.bytes(keyid.as_bytes()).bytes(nonce).number(*expires);
        }
        for mut row in statement.rows(conn).await? {
            fresh.insert((row.sha256()?, row.array()?));
        }
    }
    Ok(fresh)
}

/// Forgets nonces of requests that would be refused for their age anyway.
pub(crate) async fn forget_nonces(conn: &mut Conn, before: u64) -> Result<(), StoreError> {
    sql("DELETE FROM nonces WHERE expires < $1").number(before).run(conn).await?;
    Ok(())
}

/// Stores one-time key packages; one that is known already is passed over, so an upload can be repeated.
pub(crate) async fn add_key_package(
    conn: &mut Conn,
    certificate: Sha256Digest,
    reference: &[u8],
    package: &[u8],
) -> Result<(), StoreError> {
    insert_key_package(conn, certificate, reference, package, false).await
}

/// Stores the last-resort key package in the place of the one before.
pub(crate) async fn set_last_resort(
    conn: &mut Conn,
    certificate: Sha256Digest,
    reference: &[u8],
    package: &[u8],
) -> Result<(), StoreError> {
    sql("DELETE FROM key_packages WHERE certificate = $1 AND last_resort = 1").bytes(certificate.as_bytes()).run(conn).await?;
    insert_key_package(conn, certificate, reference, package, true).await
}

async fn insert_key_package(
    conn: &mut Conn,
    certificate: Sha256Digest,
    reference: &[u8],
    package: &[u8],
    last_resort: bool,
) -> Result<(), StoreError> {
    sql("INSERT INTO key_packages (reference, certificate, last_resort, package) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bytes(reference)
        .bytes(certificate.as_bytes())
        .flag(last_resort)
        .bytes(package)
        .run(conn)
        .await?;
    Ok(())
}

/// Forgets the key packages that hold an earlier certificate of a device.
pub(crate) async fn forget_key_packages(conn: &mut Conn, certificate: Sha256Digest) -> Result<(), StoreError> {
    sql("DELETE FROM key_packages WHERE certificate = $1").bytes(certificate.as_bytes()).run(conn).await?;
    Ok(())
}

/// How many one-time key packages are left.
pub(crate) async fn count_key_packages(conn: &mut Conn, certificate: Sha256Digest) -> Result<u32, StoreError> {
    let statement = sql("SELECT COUNT(*) FROM key_packages WHERE certificate = $1 AND last_resort = 0");
    statement.bytes(certificate.as_bytes()).row(conn).await?.map_or(Ok(0), |mut row| row.small())
}

/// A key package as it is given out.
pub(crate) struct TakenKeyPackage {
    pub bytes: Vec<u8>,
    pub last_resort: bool,
}

/// Takes a one-time key package, or the last-resort one, which stays. If another process takes the same one first, the next is taken.
pub(crate) async fn take_key_package(conn: &mut Conn, certificate: Sha256Digest) -> Result<Option<TakenKeyPackage>, StoreError> {
    loop {
        let statement = sql("SELECT reference, package, last_resort FROM key_packages WHERE certificate = $1 ORDER BY last_resort LIMIT 1");
        let Some(mut row) = statement.bytes(certificate.as_bytes()).row(conn).await? else { return Ok(None) };
        let (reference, bytes, last_resort) = (row.bytes()?, row.bytes()?, row.flag()?);
        if last_resort || sql("DELETE FROM key_packages WHERE reference = $1").bytes(&reference).run(conn).await? == 1 {
            return Ok(Some(TakenKeyPackage { bytes, last_resort }));
        }
    }
}
