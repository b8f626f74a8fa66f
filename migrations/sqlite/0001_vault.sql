-- The server's database. Nothing in it opens evidence; nothing in the log's tables is ever changed but by an erasure.
-- Digests are 32 bytes, identifiers 16; sizes, indexes and sequence numbers stay below 2^63; booleans are 0 or 1.
-- The PostgreSQL schema differs in the type of bytes, and in what makes SQLite keep one tree for a table and its key: INTEGER PRIMARY KEY, WITHOUT ROWID.

-- The log -----------------------------------------------------------------------------------------------------------

-- One row. Whoever appends holds it (SQLite: BEGIN IMMEDIATE; PostgreSQL: FOR UPDATE) and compares and swaps the size.
CREATE TABLE log_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL,
    root BLOB NOT NULL,
    time BIGINT NOT NULL
);

CREATE TABLE checkpoints (
    size INTEGER NOT NULL PRIMARY KEY,
    note TEXT NOT NULL
);

-- Hashes of complete subtrees (RFC 6962), by which proofs and tiles are made.
CREATE TABLE nodes (
    level BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) WITHOUT ROWID;

-- A payload that is erased has neither core nor core_salt; c_core and the chain places stay.
CREATE TABLE records (
    idx INTEGER NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    signer BLOB NOT NULL,
    intent_id BLOB NOT NULL,
    intent_digest BLOB NOT NULL,
    case_id BLOB NOT NULL,
    case_seq BIGINT NOT NULL,
    exhibit_id BLOB,
    exhibit_seq BIGINT,
    opens BIGINT NOT NULL,
    core BLOB,
    core_salt BLOB,
    case_salt BLOB NOT NULL,
    exhibit_salt BLOB NOT NULL,
    case_previous BLOB,
    exhibit_previous BLOB,
    c_core BLOB NOT NULL,
    commitment BLOB NOT NULL,
    UNIQUE (signer, intent_id),
    UNIQUE (case_id, case_seq),
    UNIQUE (exhibit_id, exhibit_seq)
);
CREATE INDEX records_by_opening ON records (exhibit_id, signer, opens);
CREATE INDEX records_by_signer_and_time ON records (signer, time);

-- The last record of each chain. kind 0: a case's, or the registry's under 16 zero bytes; kind 1: an exhibit's.
CREATE TABLE chains (
    kind BIGINT NOT NULL,
    id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    commitment BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- Reading of the log that stands in it; case_id is the registry's where the whole log is meant.
CREATE TABLE log_reads (
    idx BIGINT NOT NULL PRIMARY KEY,
    device BLOB NOT NULL,
    case_id BLOB NOT NULL,
    from_idx BIGINT NOT NULL,
    to_idx BIGINT NOT NULL
);
CREATE INDEX log_reads_by_device ON log_reads (device, case_id);

-- Refused acts of a device beyond its hourly limit: an hour after the first of them one record stands for all, by the last one's intent.
CREATE TABLE counted_refusals (
    signer BLOB NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    rule TEXT NOT NULL,
    intent TEXT NOT NULL
);
CREATE INDEX counted_refusals_by_time ON counted_refusals (since);

-- Cases and their groups --------------------------------------------------------------------------------------------

CREATE TABLE cases (
    case_id BLOB NOT NULL PRIMARY KEY,
    idx BIGINT NOT NULL,
    founder TEXT NOT NULL,
    parent BLOB,
    ring_version BIGINT NOT NULL,
    ring_row BLOB NOT NULL
);

-- What the server follows of a group: its public state as one value, and the context of its last commit (at the founding, what the founder saw).
-- Replaced with every commit by comparing and swapping the epoch.
CREATE TABLE groups_followed (
    case_id BLOB NOT NULL PRIMARY KEY REFERENCES cases (case_id),
    epoch BIGINT NOT NULL,
    context BLOB NOT NULL,
    state BLOB NOT NULL,
    -- The GroupInfo of the epoch, by which a device that lost the group comes back.
    group_info BLOB NOT NULL
);

CREATE TABLE commits (
    case_id BLOB NOT NULL REFERENCES cases (case_id),
    epoch BIGINT NOT NULL,
    message BLOB NOT NULL,
    -- The confirmed transcript hash of the epoch that the commit begins.
    transcript BLOB NOT NULL,
    welcome BLOB,
    ring_row BLOB,
    idx BIGINT NOT NULL,
    PRIMARY KEY (case_id, epoch)
);

-- epoch is the one that the commit starts from; the Welcome leads to the next.
CREATE TABLE welcomes (
    device BLOB NOT NULL,
    case_id BLOB NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (device, case_id, epoch),
    FOREIGN KEY (case_id, epoch) REFERENCES commits (case_id, epoch)
);

-- Cases know devices, by their ids; certificate is the one by which a device came, and it may have been renewed since.
CREATE TABLE members (
    case_id BLOB NOT NULL REFERENCES cases (case_id),
    device BLOB NOT NULL,
    certificate BLOB NOT NULL,
    first_ring BIGINT NOT NULL,
    since_idx BIGINT NOT NULL,
    left_idx BIGINT,
    PRIMARY KEY (case_id, device)
);
CREATE INDEX members_by_device ON members (device);

CREATE TABLE grant_texts (
    digest BLOB NOT NULL PRIMARY KEY,
    case_id BLOB NOT NULL,
    device BLOB NOT NULL,
    jws TEXT NOT NULL
);
CREATE INDEX grant_texts_by_recipient ON grant_texts (device, case_id);

CREATE TABLE grants (
    exhibit_id BLOB NOT NULL,
    device BLOB NOT NULL,
    idx BIGINT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL REFERENCES grant_texts (digest)
);
CREATE INDEX grants_by_exhibit ON grants (exhibit_id, device);

-- One-time key packages are rows that are deleted when given out; last_resort is 1 for the one that is kept.
CREATE TABLE key_packages (
    reference BLOB NOT NULL PRIMARY KEY,
    certificate BLOB NOT NULL,
    last_resort BIGINT NOT NULL,
    package BLOB NOT NULL
);
CREATE INDEX key_packages_by_certificate ON key_packages (certificate, last_resort);

-- Exhibits and their objects ----------------------------------------------------------------------------------------

-- Reserved at the first upload: from then on that device alone adds objects, and only for that case.
CREATE TABLE intakes (
    exhibit_id BLOB NOT NULL PRIMARY KEY,
    case_id BLOB NOT NULL,
    device BLOB NOT NULL
);

CREATE TABLE objects (
    exhibit_id BLOB NOT NULL REFERENCES intakes (exhibit_id),
    name BLOB NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (exhibit_id, name)
);

-- names: the segment objects' names in order, 32 bytes each. share: the release share wrapped under the KEK named.
CREATE TABLE exhibits (
    exhibit_id BLOB NOT NULL PRIMARY KEY REFERENCES intakes (exhibit_id),
    case_id BLOB NOT NULL REFERENCES cases (case_id),
    idx BIGINT NOT NULL,
    state TEXT NOT NULL,
    held BIGINT NOT NULL,
    handling TEXT NOT NULL,
    originator TEXT NOT NULL,
    consent_judicial BIGINT NOT NULL,
    consent_onward BIGINT NOT NULL,
    ring_version BIGINT NOT NULL,
    group_share BLOB NOT NULL,
    manifest_object BLOB NOT NULL,
    names BLOB NOT NULL,
    sealed_bytes BIGINT NOT NULL,
    share_commitment BLOB NOT NULL,
    kek BLOB,
    share BLOB
);
CREATE INDEX exhibits_by_case ON exhibits (case_id, idx);

-- Requests ----------------------------------------------------------------------------------------------------------

-- Nonces of requests that may change something; expires in seconds since 1970.
CREATE TABLE nonces (
    keyid BLOB NOT NULL,
    nonce BLOB NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (keyid, nonce)
) WITHOUT ROWID;
CREATE INDEX nonces_by_expiry ON nonces (expires);
