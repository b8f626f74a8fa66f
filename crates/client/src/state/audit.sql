-- What an auditor's device keeps between audits. Made when it is first needed, so that the states of others do not have it.

-- The point up to which a replay found nothing wrong: the checkpoint, the replay's state as of it, and a digest over all that it goes on from.
CREATE TABLE IF NOT EXISTS audit_point (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    reading INTEGER NOT NULL,
    state TEXT NOT NULL,
    rows_digest BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;

-- Trails of records (core::custody::replay), many to a row, in order; and what the identity records among them did.
CREATE TABLE IF NOT EXISTS audit_trail (
    from_idx INTEGER PRIMARY KEY,
    trails BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS audit_identity (
    idx INTEGER PRIMARY KEY,
    act TEXT NOT NULL
) STRICT;

-- The entries that were read, and the same as the rules of watching see them; gone when the record's payload is erased. `time` in milliseconds.
CREATE TABLE IF NOT EXISTS audit_entry (
    idx INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    entry TEXT NOT NULL,
    act TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS audit_entry_by_time ON audit_entry (time);

-- What earlier audits could not check, and records whose payload was not there.
CREATE TABLE IF NOT EXISTS audit_remark (
    id INTEGER PRIMARY KEY,
    finding TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS audit_erased (
    idx INTEGER PRIMARY KEY
) STRICT;

-- Up to which record a watch has looked for patterns; an audit in between moves the point, and not this.
CREATE TABLE IF NOT EXISTS audit_watch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    looked INTEGER NOT NULL
) STRICT;

-- What a watch found; told once it was shown. `key` is one text for one occurrence.
CREATE TABLE IF NOT EXISTS audit_alert (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    found TEXT NOT NULL,
    alert TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
