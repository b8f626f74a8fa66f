-- Kept checkpoints: what others say of the log's heads, for ever.
-- The PostgreSQL schema differs in the types of numbers and bytes, and has no WITHOUT ROWID.

-- A cosignature (C2SP tlog-cosignature) of a checkpoint by a key of the policy: the first of each key stays. time_s is the cosigner's own time, in
-- seconds since 1970.
CREATE TABLE cosignatures (
    size INTEGER NOT NULL REFERENCES checkpoints (size),
    vkey TEXT NOT NULL,
    line TEXT NOT NULL,
    time_s INTEGER NOT NULL,
    PRIMARY KEY (size, vkey)
) WITHOUT ROWID;

-- A TimeStampResp (RFC 3161), DER, of a checkpoint by an authority of the configuration. time_s is the stamp's genTime, in seconds since 1970.
CREATE TABLE stamps (
    size INTEGER NOT NULL REFERENCES checkpoints (size),
    authority TEXT NOT NULL,
    response BLOB NOT NULL,
    time_s INTEGER NOT NULL,
    PRIMARY KEY (size, authority)
);
