-- The device's private state, format 1. Encrypted as a whole by SQLCipher; ids and digests are blobs of 16 and 32 bytes.

-- The file that this state was made in. A copy has another one and is refused.
CREATE TABLE home (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    birth_seconds INTEGER NOT NULL,
    birth_nanos INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL,
    signing_key BLOB NOT NULL,
    sealing_seed BLOB NOT NULL,
    request TEXT NOT NULL,
    certificate BLOB
) STRICT;

-- The server and its log, pinned at first contact and compared ever after.
CREATE TABLE server (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    url TEXT NOT NULL,
    origin TEXT NOT NULL,
    log_key TEXT NOT NULL,
    trust_pin BLOB NOT NULL,
    tls_roots TEXT NOT NULL
) STRICT;

-- The newest checkpoint that was verified.
CREATE TABLE log_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    checkpoint TEXT NOT NULL
) STRICT;

-- What proves a misbehaving server wrong: exact bytes of both sides.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    finding TEXT NOT NULL,
    held TEXT NOT NULL,
    shown TEXT NOT NULL
) STRICT;

-- OpenMLS's rows; the owner is a group id, or empty for the device's own (key packages).
CREATE TABLE mls (
    key BLOB PRIMARY KEY,
    owner BLOB NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mls_by_owner ON mls (owner);

CREATE TABLE case_file (
    id BLOB PRIMARY KEY,
    title TEXT,
    group_id BLOB NOT NULL,
    ring_version INTEGER NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('founding', 'member', 'left')),
    -- The context of the commit that began the current epoch, and of the own commit that waits for its answer.
    context BLOB,
    pending_context BLOB,
    -- Grants whose first record stands before this index were taken.
    grants_from INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Verified records of the chains that this device has followed; `chain` is a case or exhibit id, `idx` the place in the log, `act` the kind
-- of an accepted act and empty for what was refused or erased.
CREATE TABLE chain_record (
    chain BLOB NOT NULL,
    seq INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    act TEXT NOT NULL,
    commitment BLOB NOT NULL,
    view TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX chain_record_by_idx ON chain_record (chain, idx);
CREATE INDEX chain_record_by_act ON chain_record (chain, act, seq);

-- Where own acts stand by their receipts. A server that shows a chain without them, or with others in their place, is found out.
CREATE TABLE acknowledged (
    chain BLOB NOT NULL,
    seq INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE ring_key (
    case_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;

-- Group shares of chosen exhibits, received by grants. Several until an opening shows which one makes the exhibit's key: a wrong one from a
-- colleague must not stand before a good one.
CREATE TABLE granted_share (
    exhibit BLOB NOT NULL,
    share BLOB NOT NULL,
    case_id BLOB NOT NULL,
    PRIMARY KEY (exhibit, share)
) STRICT, WITHOUT ROWID;

CREATE TABLE exhibit (
    id BLOB PRIMARY KEY,
    case_id BLOB NOT NULL,
    title TEXT NOT NULL,
    manifest BLOB
) STRICT, WITHOUT ROWID;

-- Intakes that were begun and are not in the log yet.
CREATE TABLE intake (
    exhibit BLOB PRIMARY KEY,
    case_id BLOB NOT NULL,
    source BLOB NOT NULL,
    entries BLOB NOT NULL,
    group_share BLOB NOT NULL,
    release_share BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE intake_segment (
    exhibit BLOB NOT NULL REFERENCES intake (exhibit) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    salt BLOB NOT NULL,
    plain_digest BLOB NOT NULL,
    object BLOB NOT NULL,
    object_bytes INTEGER NOT NULL,
    PRIMARY KEY (exhibit, number)
) STRICT, WITHOUT ROWID;

-- What was collected: the same files again, unchanged, are this exhibit. `entries` is the SHA-256 of the intake's.
CREATE TABLE collected (
    case_id BLOB NOT NULL,
    source BLOB NOT NULL,
    entries BLOB NOT NULL,
    exhibit BLOB NOT NULL,
    PRIMARY KEY (case_id, source)
) STRICT, WITHOUT ROWID;

-- Folders that hold evidence in clear until a command has ended; noted before they are made, taken away at the next start.
CREATE TABLE clear_folder (
    path BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Every intent that this device signed. One in the log that is not here was signed by a copy of the device.
CREATE TABLE act (
    intent BLOB PRIMARY KEY,
    case_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    receipt TEXT
) STRICT, WITHOUT ROWID;

-- Requests that must reach the server; sent again until answered.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    intent BLOB NOT NULL UNIQUE REFERENCES act (intent),
    path TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
