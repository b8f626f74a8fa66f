//! Cases: their groups as the server follows them, members, commits, Welcomes, grants.

use std::collections::BTreeSet;

use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, DeviceId, ExhibitId};

use super::place::Place;
use super::sql::{Fields, sql};
use super::{Conn, StoreError};

/// What the server knows of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// The founding office.
    pub founder: String,
    /// The current ring version.
    pub ring_version: u32,
}

/// A member of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub device: DeviceId,
    /// The certificate by which it came; the registry knows those that followed it.
    pub certificate: Sha256Digest,
    /// The first ring version whose exhibits it may open without a grant.
    pub first_ring: u32,
    /// Index of the record by which it came; a resync or a successor group leaves it.
    pub since: u64,
    /// Index of the record by which it left; it stays a leaf until a commit removes it.
    pub left: Option<u64>,
}

/// A case with its group, as it is founded.
pub(crate) struct NewCase<'a> {
    pub case: CaseId,
    pub index: u64,
    pub founder: &'a str,
    pub parent: Option<CaseId>,
    pub ring_row: &'a [u8],
    pub group: &'a [u8],
    /// The signed GroupInfo of epoch 0.
    pub group_info: &'a [u8],
    /// By which log, registry and ring the first commit is judged.
    pub context: &'a [u8],
    pub founding: (DeviceId, Sha256Digest),
}

/// Stores a new case, its group at epoch 0 and its founder.
pub(crate) async fn insert_case(conn: &mut Conn, new: &NewCase<'_>) -> Result<(), StoreError> {
    sql("INSERT INTO cases (case_id, idx, founder, parent, ring_version, ring_row) VALUES ($1, $2, $3, $4, 1, $5)")
        .bytes(new.case.as_bytes())
        .number(new.index)
        .text(new.founder)
        .bytes_or_null(new.parent.map(|parent| *parent.as_bytes()))
        .bytes(new.ring_row)
        .run(conn)
        .await?;
    sql("INSERT INTO groups_followed (case_id, place, context, state, group_info) VALUES ($1, 0, $2, $3, $4)")
        .bytes(new.case.as_bytes())
        .bytes(new.context)
        .bytes(new.group)
        .bytes(new.group_info)
        .run(conn)
        .await?;
    insert_member(conn, new.case, new.founding, 1, new.index).await
}

/// A case by its id.
pub(crate) async fn case(conn: &mut Conn, case: CaseId) -> Result<Option<Case>, StoreError> {
    let row = sql("SELECT founder, ring_version FROM cases WHERE case_id = $1").bytes(case.as_bytes()).row(conn).await?;
    row.map(|mut row| Ok(Case { founder: row.text()?, ring_version: row.small()? })).transpose()
}

/// A group as the server follows it.
pub(crate) struct Group {
    pub place: Place,
    /// The context of its last commit.
    pub context: Vec<u8>,
    /// Its public state.
    pub state: Vec<u8>,
    /// The GroupInfo of the epoch.
    pub info: Vec<u8>,
}

/// The group of a case.
pub(crate) async fn group(conn: &mut Conn, case: CaseId) -> Result<Option<Group>, StoreError> {
    let row =
        sql("SELECT place, context, state, group_info FROM groups_followed WHERE case_id = $1").bytes(case.as_bytes()).row(conn).await?;
    row.map(|mut row| Ok(Group { place: Place::read(row.number()?)?, context: row.bytes()?, state: row.bytes()?, info: row.bytes()? }))
        .transpose()
}

/// Where the group stands.
pub(crate) async fn place(conn: &mut Conn, case: CaseId) -> Result<Option<Place>, StoreError> {
    let row = sql("SELECT place FROM groups_followed WHERE case_id = $1").bytes(case.as_bytes()).row(conn).await?;
    row.map(|mut row| Place::read(row.number()?)).transpose()
}

/// Compares and swaps the place; false if another commit won it.
pub(crate) async fn swap_group(conn: &mut Conn, case: CaseId, before: Place, next: &Group) -> Result<bool, StoreError> {
    let changed = sql("UPDATE groups_followed SET place = $1, context = $2, state = $3, group_info = $4 WHERE case_id = $5 AND place = $6")
        .number(next.place.number())
        .bytes(&next.context)
        .bytes(&next.state)
        .bytes(&next.info)
        .bytes(case.as_bytes())
        .number(before.number())
        .run(conn)
        .await?;
    Ok(changed == 1)
}

/// The ring version that counts from now on.
pub(crate) async fn set_ring_version(conn: &mut Conn, case: CaseId, version: u32) -> Result<(), StoreError> {
    sql("UPDATE cases SET ring_version = $1 WHERE case_id = $2").number(u64::from(version)).bytes(case.as_bytes()).run(conn).await?;
    Ok(())
}

/// Adds a member: a device, and the certificate by which it comes.
pub(crate) async fn insert_member(
    conn: &mut Conn,
    case: CaseId,
    (device, certificate): (DeviceId, Sha256Digest),
    first_ring: u32,
    index: u64,
) -> Result<(), StoreError> {
    sql("INSERT INTO members (case_id, device, certificate, first_ring, since_idx) VALUES ($1, $2, $3, $4, $5)")
        .bytes(case.as_bytes())
        .bytes(device.as_bytes())
        .bytes(certificate.as_bytes())
        .number(u64::from(first_ring))
        .number(index)
        .run(conn)
        .await?;
    Ok(())
}

/// A member comes over into a successor group by a certificate; what it may open, and since when it is there, stays.
pub(crate) async fn take_over(conn: &mut Conn, case: CaseId, device: DeviceId, certificate: Sha256Digest) -> Result<(), StoreError> {
    sql("UPDATE members SET certificate = $1 WHERE case_id = $2 AND device = $3")
        .bytes(certificate.as_bytes())
        .bytes(case.as_bytes())
        .bytes(device.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// Removes a member: it is a leaf of the group no more.
pub(crate) async fn remove_member(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<(), StoreError> {
    sql("DELETE FROM members WHERE case_id = $1 AND device = $2").bytes(case.as_bytes()).bytes(device.as_bytes()).run(conn).await?;
    Ok(())
}

/// Takes from a device that was removed what waited for it or was given to it: its Welcome leads nowhere any more, and its grants have ended.
pub(crate) async fn end_membership(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM welcomes WHERE case_id = $1 AND device = $2",
        "DELETE FROM grants WHERE digest IN (SELECT digest FROM grant_texts WHERE case_id = $1 AND device = $2)",
        "DELETE FROM grant_texts WHERE case_id = $1 AND device = $2",
    ] {
        sql(statement).bytes(case.as_bytes()).bytes(device.as_bytes()).run(conn).await?;
    }
    Ok(())
}

/// Marks a member as having left.
pub(crate) async fn mark_left(conn: &mut Conn, case: CaseId, device: DeviceId, index: u64) -> Result<(), StoreError> {
    sql("UPDATE members SET left_idx = $1 WHERE case_id = $2 AND device = $3 AND left_idx IS NULL")
        .number(index)
        .bytes(case.as_bytes())
        .bytes(device.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

fn member_of(mut row: Fields) -> Result<Member, StoreError> {
    Ok(Member {
        device: row.device()?,
        certificate: row.sha256()?,
        first_ring: row.small()?,
        since: row.number()?,
        left: row.number_or_null()?,
    })
}

/// One member.
pub(crate) async fn member(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Member>, StoreError> {
    let statement = sql("SELECT device, certificate, first_ring, since_idx, left_idx FROM members WHERE case_id = $1 AND device = $2");
    statement.bytes(case.as_bytes()).bytes(device.as_bytes()).row(conn).await?.map(member_of).transpose()
}

/// All members, in the order in which they joined.
pub(crate) async fn members(conn: &mut Conn, case: CaseId) -> Result<Vec<Member>, StoreError> {
    let statement =
        sql("SELECT device, certificate, first_ring, since_idx, left_idx FROM members WHERE case_id = $1 ORDER BY since_idx, certificate");
    statement.bytes(case.as_bytes()).rows(conn).await?.into_iter().map(member_of).collect()
}

/// The cases of which a device is a member that has not left, with the place of their group and the number of their exhibits.
pub(crate) async fn cases_of(conn: &mut Conn, device: DeviceId) -> Result<Vec<(CaseId, Place, u64)>, StoreError> {
    let rows = sql("SELECT m.case_id, g.place, (SELECT COUNT(*) FROM exhibits e WHERE e.case_id = m.case_id) \
                    FROM members m JOIN groups_followed g ON g.case_id = m.case_id \
                    WHERE m.device = $1 AND m.left_idx IS NULL ORDER BY m.since_idx")
    .bytes(device.as_bytes())
    .rows(conn)
    .await?;
    rows.into_iter().map(|mut row| Ok((row.case()?, Place::read(row.number()?)?, row.number()?))).collect()
}

/// A commit with what goes with it.
pub(crate) struct Commit {
    /// Where it was made.
    pub place: Place,
    pub message: Vec<u8>,
    pub welcome: Option<Vec<u8>>,
    pub ring_row: Option<Vec<u8>>,
    pub index: u64,
}

/// Stores a commit with the transcript hash of the epoch that it begins, and for whom its Welcome waits.
pub(crate) async fn insert_commit(
    conn: &mut Conn,
    case: CaseId,
    commit: &Commit,
    transcript: &[u8],
    welcomed: &[DeviceId],
) -> Result<(), StoreError> {
    sql("INSERT INTO commits (case_id, place, message, transcript, welcome, ring_row, idx) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bytes(case.as_bytes())
        .number(commit.place.number())
        .bytes(&commit.message)
        .bytes(transcript)
        .bytes_or_null(commit.welcome.as_deref())
        .bytes_or_null(commit.ring_row.as_deref())
        .number(commit.index)
        .run(conn)
        .await?;
    for device in welcomed {
        sql("INSERT INTO welcomes (device, case_id, place) VALUES ($1, $2, $3)")
            .bytes(device.as_bytes())
            .bytes(case.as_bytes())
            .number(commit.place.number())
            .run(conn)
            .await?;
    }
    Ok(())
}

/// The confirmed transcript hash of an epoch: empty at epoch 0, none for an epoch that has not begun.
pub(crate) async fn transcript(conn: &mut Conn, case: CaseId, at: Place) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(epoch) = at.epoch.checked_sub(1) else {
        let current = place(conn, case).await?;
        return Ok(current.filter(|current| at.generation <= current.generation).map(|_| Vec::new()));
    };
    let commit = Place { epoch, ..at }.number();
    let row = sql("SELECT transcript FROM commits WHERE case_id = $1 AND place = $2").bytes(case.as_bytes()).number(commit);
    row.row(conn).await?.map(|mut row| row.bytes()).transpose()
}

/// Commits of one generation that start from a place or later, in order, at most `most`; without their Welcomes.
pub(crate) async fn commits_from(conn: &mut Conn, case: CaseId, from: Place, most: u64) -> Result<Vec<Commit>, StoreError> {
    let last = from.last();
    let rows = sql("SELECT place, message, ring_row, idx FROM commits WHERE case_id = $1 AND place >= $2 AND place <= $3 \
                    ORDER BY place LIMIT $4")
    .bytes(case.as_bytes())
    .number(from.number())
    .number(last.number())
    .number(most)
    .rows(conn)
    .await?;
    rows.into_iter()
        .map(|mut row| {
            let (place, message, ring_row, index) = (Place::read(row.number()?)?, row.bytes()?, row.bytes_or_null()?, row.number()?);
            Ok(Commit { place, message, welcome: None, ring_row, index })
        })
        .collect()
}

/// A Welcome that waits for a device.
pub(crate) struct Welcome {
    pub case: CaseId,
    /// Where it leads.
    pub place: Place,
    pub message: Vec<u8>,
    pub ring_row: Vec<u8>,
}

/// Welcomes that wait for a device, in order of arrival.
pub(crate) async fn welcomes_for(conn: &mut Conn, device: DeviceId) -> Result<Vec<Welcome>, StoreError> {
    let rows = sql("SELECT c.case_id, c.place, c.welcome, c.ring_row FROM welcomes w \
                    JOIN commits c ON c.case_id = w.case_id AND c.place = w.place \
                    WHERE w.device = $1 AND c.welcome IS NOT NULL AND c.ring_row IS NOT NULL ORDER BY c.idx")
    .bytes(device.as_bytes())
    .rows(conn)
    .await?;
    rows.into_iter()
        .map(|mut row| {
            let (case, made) = (row.case()?, Place::read(row.number()?)?);
            Ok(Welcome { case, place: made.next(), message: row.bytes()?, ring_row: row.bytes()? })
        })
        .collect()
}

/// Forgets Welcomes that a device has used: it acted in the case under the epoch that they lead to, or a later one.
pub(crate) async fn forget_welcomes(conn: &mut Conn, case: CaseId, device: DeviceId, at: Place) -> Result<(), StoreError> {
    sql("DELETE FROM welcomes WHERE device = $1 AND case_id = $2 AND place < $3")
        .bytes(device.as_bytes())
        .bytes(case.as_bytes())
        .number(at.number())
        .run(conn)
        .await?;
    Ok(())
}

/// Forgets the Welcomes of a group that ended which lead past its last good epoch. By the others, devices that were away learn the ring keys up
/// to there.
pub(crate) async fn forget_welcomes_past(conn: &mut Conn, case: CaseId, last_good: Place) -> Result<(), StoreError> {
    sql("DELETE FROM welcomes WHERE case_id = $1 AND place >= $2").bytes(case.as_bytes()).number(last_good.number()).run(conn).await?;
    Ok(())
}

/// A grant that a record of disclosure accounts for.
pub(crate) struct Grant<'a> {
    pub case: CaseId,
    pub exhibit: ExhibitId,
    /// The receiving device.
    pub device: DeviceId,
    pub index: u64,
    pub digest: Sha256Digest,
    pub jws: &'a str,
}

/// Stores a grant; several records may name the same text.
pub(crate) async fn insert_grant(conn: &mut Conn, grant: &Grant<'_>) -> Result<(), StoreError> {
    sql("INSERT INTO grant_texts (digest, case_id, device, jws) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bytes(grant.digest.as_bytes())
        .bytes(grant.case.as_bytes())
        .bytes(grant.device.as_bytes())
        .text(grant.jws)
        .run(conn)
        .await?;
    sql("INSERT INTO grants (exhibit_id, device, idx, digest) VALUES ($1, $2, $3, $4)")
        .bytes(grant.exhibit.as_bytes())
        .bytes(grant.device.as_bytes())
        .number(grant.index)
        .bytes(grant.digest.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// Whether a device holds a grant for an exhibit.
pub(crate) async fn is_granted(conn: &mut Conn, exhibit: ExhibitId, device: DeviceId) -> Result<bool, StoreError> {
    sql("SELECT idx FROM grants WHERE exhibit_id = $1 AND device = $2 LIMIT 1")
        .bytes(exhibit.as_bytes())
        .bytes(device.as_bytes())
        .exists(conn)
        .await
}

/// The exhibits of a case for which a device holds a grant.
pub(crate) async fn granted_to(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<BTreeSet<ExhibitId>, StoreError> {
    let statement =
        sql("SELECT DISTINCT g.exhibit_id FROM grant_texts t JOIN grants g ON g.digest = t.digest WHERE t.case_id = $1 AND t.device = $2");
    statement.bytes(case.as_bytes()).bytes(device.as_bytes()).rows(conn).await?.into_iter().map(|mut row| row.exhibit()).collect()
}

/// Grants to a device in a case whose first record stands at an index or later, in that order, at most `most`, each with that index.
pub(crate) async fn grants_to(
    conn: &mut Conn,
    case: CaseId,
    device: DeviceId,
    index: u64,
    most: u64,
) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sql("SELECT t.jws, MIN(g.idx) AS first FROM grant_texts t JOIN grants g ON g.digest = t.digest \
                    WHERE t.device = $1 AND t.case_id = $2 GROUP BY t.digest, t.jws HAVING MIN(g.idx) >= $3 ORDER BY first LIMIT $4")
    .bytes(device.as_bytes())
    .bytes(case.as_bytes())
    .number(index)
    .number(most)
    .rows(conn)
    .await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.number()?))).collect()
}
