-- The recovery ceremony: devices in the place of lost ones.
-- The PostgreSQL schema differs in the type of bytes only.

-- A proposal by the SHA-256 of its intent: the lost device and the one in its place, each with the certificate by which it was named; time_ms is
-- that of its record. confirmed_idx and done_idx are the records by which it was confirmed and carried out, removed_idx the one by which the lost
-- device was removed.
CREATE TABLE recoveries (
    case_id BLOB NOT NULL REFERENCES cases (case_id),
    digest BLOB NOT NULL,
    intent_id BLOB NOT NULL,
    proposer BLOB NOT NULL,
    lost_device BLOB NOT NULL,
    lost_certificate BLOB NOT NULL,
    device BLOB NOT NULL,
    certificate BLOB NOT NULL,
    idx BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    confirmed_idx BIGINT,
    done_idx BIGINT,
    removed_idx BIGINT,
    PRIMARY KEY (case_id, digest)
);
CREATE INDEX recoveries_by_device ON recoveries (case_id, device);

-- Devices that the record idx removed, and what they held. Only where gone is set, had it left or was it revoked by then.
CREATE TABLE former_members (
    case_id BLOB NOT NULL REFERENCES cases (case_id),
    device BLOB NOT NULL,
    idx BIGINT NOT NULL,
    first_ring BIGINT NOT NULL,
    last_ring BIGINT NOT NULL,
    had_left BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    PRIMARY KEY (case_id, device, idx)
);

-- The exhibits that were granted to them.
CREATE TABLE former_grants (
    case_id BLOB NOT NULL,
    device BLOB NOT NULL,
    idx BIGINT NOT NULL,
    exhibit_id BLOB NOT NULL REFERENCES exhibits (exhibit_id),
    PRIMARY KEY (case_id, device, idx, exhibit_id),
    FOREIGN KEY (case_id, device, idx) REFERENCES former_members (case_id, device, idx)
);
