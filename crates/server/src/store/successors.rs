//! What successor groups are judged by: who was a member when, what was reported, who acted in which epoch.

use custodia_core::custody::facts::Membership;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::CaseId;

use super::cases::Place;
use super::sql::sql;
use super::{Conn, StoreError};

/// A device is a member from a place on.
pub(crate) async fn enter(
    conn: &mut Conn,
    case: CaseId,
    certificate: Sha256Digest,
    membership: Membership,
    from: Place,
) -> Result<(), StoreError> {
    sql("INSERT INTO memberships (case_id, certificate, first_ring, had_left, from_place) VALUES ($1, $2, $3, $4, $5)")
        .bytes(case.as_bytes())
        .bytes(certificate.as_bytes())
        .number(u64::from(membership.first_ring))
        .flag(membership.left)
        .number(from.number())
        .run(conn)
        .await?;
    Ok(())
}

/// A device is no member from a place on.
pub(crate) async fn end(conn: &mut Conn, case: CaseId, certificate: Sha256Digest, until: Place) -> Result<(), StoreError> {
    sql("UPDATE memberships SET until_place = $1 WHERE case_id = $2 AND certificate = $3 AND until_place IS NULL")
        .number(until.number())
        .bytes(case.as_bytes())
        .bytes(certificate.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// A device has left.
pub(crate) async fn leave(conn: &mut Conn, case: CaseId, certificate: Sha256Digest) -> Result<(), StoreError> {
    sql("UPDATE memberships SET had_left = 1 WHERE case_id = $1 AND certificate = $2")
        .bytes(case.as_bytes())
        .bytes(certificate.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// The members of both the epoch at a place and the next one.
pub(crate) async fn in_both(conn: &mut Conn, case: CaseId, at: Place) -> Result<Vec<(Sha256Digest, Membership)>, StoreError> {
    let first = Place { epoch: 0, ..at };
    let rows = sql("SELECT certificate, first_ring, had_left FROM memberships WHERE case_id = $1 AND from_place >= $2 AND from_place <= $3 \
                    AND (until_place IS NULL OR until_place > $4) ORDER BY certificate")
    .bytes(case.as_bytes())
    .number(first.number())
    .number(at.number())
    .number(at.next().number())
    .rows(conn)
    .await?;
    rows.into_iter().map(|mut row| Ok((row.sha256()?, Membership { first_ring: row.small()?, left: row.flag()? }))).collect()
}

/// A device could not process a commit.
pub(crate) async fn report(conn: &mut Conn, case: CaseId, bad: Sha256Digest, reporter: Sha256Digest) -> Result<(), StoreError> {
    sql("INSERT INTO reports (case_id, bad, certificate) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bytes(case.as_bytes())
        .bytes(bad.as_bytes())
        .bytes(reporter.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// The devices that reported a commit.
pub(crate) async fn reporters(conn: &mut Conn, case: CaseId, bad: Sha256Digest) -> Result<Vec<Sha256Digest>, StoreError> {
    let statement = sql("SELECT certificate FROM reports WHERE case_id = $1 AND bad = $2 ORDER BY certificate");
    statement.bytes(case.as_bytes()).bytes(bad.as_bytes()).rows(conn).await?.into_iter().map(|mut row| row.sha256()).collect()
}

/// A device acted at a place.
pub(crate) async fn hold(conn: &mut Conn, case: CaseId, certificate: Sha256Digest, place: Place) -> Result<(), StoreError> {
    sql("INSERT INTO places_held (case_id, certificate, place) VALUES ($1, $2, $3) ON CONFLICT (case_id, certificate) \
         DO UPDATE SET place = excluded.place WHERE excluded.place > places_held.place")
    .bytes(case.as_bytes())
    .bytes(certificate.as_bytes())
    .number(place.number())
    .run(conn)
    .await?;
    Ok(())
}

/// The devices that acted after a place.
pub(crate) async fn held_after(conn: &mut Conn, case: CaseId, place: Place) -> Result<Vec<Sha256Digest>, StoreError> {
    let statement = sql("SELECT certificate FROM places_held WHERE case_id = $1 AND place > $2 ORDER BY certificate");
    let rows = statement.bytes(case.as_bytes()).number(place.number()).rows(conn).await?;
    rows.into_iter().map(|mut row| row.sha256()).collect()
}

/// The author of the commit made at a place, if that commit is the one whose record names this digest.
pub(crate) async fn author(conn: &mut Conn, case: CaseId, at: Place) -> Result<Option<(Vec<u8>, Sha256Digest)>, StoreError> {
    let statement = sql("SELECT c.message, r.signer FROM commits c JOIN records r ON r.idx = c.idx WHERE c.case_id = $1 AND c.epoch = $2");
    let row = statement.bytes(case.as_bytes()).number(at.number()).row(conn).await?;
    row.map(|mut row| Ok((row.bytes()?, row.sha256()?))).transpose()
}

/// Ends every membership; those of a successor group are entered anew.
pub(crate) async fn end_all(conn: &mut Conn, case: CaseId, until: Place) -> Result<(), StoreError> {
    sql("UPDATE memberships SET until_place = $1 WHERE case_id = $2 AND until_place IS NULL")
        .number(until.number())
        .bytes(case.as_bytes())
        .run(conn)
        .await?;
    sql("DELETE FROM members WHERE case_id = $1").bytes(case.as_bytes()).run(conn).await?;
    Ok(())
}
