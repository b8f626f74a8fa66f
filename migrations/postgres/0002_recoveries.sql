-- The recovery ceremony: devices in the place of lost ones.
-- The SQLite schema differs in the type of bytes only.

-- A proposal by the SHA-256 of its intent; confirmed_idx and done_idx are the records by which it was confirmed and carried out.
-- first_ring and last_ring are what the lost device held when it was carried out.
CREATE TABLE recoveries (
    case_id BYTEA NOT NULL REFERENCES cases (case_id),
    digest BYTEA NOT NULL,
    intent_id BYTEA NOT NULL,
    proposer BYTEA NOT NULL,
    lost BYTEA NOT NULL,
    device BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    confirmed_idx BIGINT,
    done_idx BIGINT,
    first_ring BIGINT,
    last_ring BIGINT,
    PRIMARY KEY (case_id, digest)
);
CREATE INDEX recoveries_by_device ON recoveries (case_id, device);

-- Devices that were removed after they left or were revoked, and what they held.
CREATE TABLE former_members (
    case_id BYTEA NOT NULL REFERENCES cases (case_id),
    certificate BYTEA NOT NULL,
    first_ring BIGINT NOT NULL,
    last_ring BIGINT NOT NULL,
    had_left BIGINT NOT NULL,
    PRIMARY KEY (case_id, certificate)
);
