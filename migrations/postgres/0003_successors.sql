-- Successor groups. From here on an epoch in a column of groups_followed, commits and welcomes is a place: generation * 2^32 + epoch.
-- The SQLite schema differs in the type of bytes only.

-- From which place on, and up to which, a device was a member, and whether it had left.
CREATE TABLE memberships (
    case_id BYTEA NOT NULL REFERENCES cases (case_id),
    certificate BYTEA NOT NULL,
    first_ring BIGINT NOT NULL,
    had_left BIGINT NOT NULL,
    from_place BIGINT NOT NULL,
    until_place BIGINT,
    PRIMARY KEY (case_id, certificate, from_place)
);

-- Commits that devices could not process.
CREATE TABLE reports (
    case_id BYTEA NOT NULL REFERENCES cases (case_id),
    bad BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    PRIMARY KEY (case_id, bad, certificate)
);

-- The latest place at which each device acted.
CREATE TABLE places_held (
    case_id BYTEA NOT NULL REFERENCES cases (case_id),
    certificate BYTEA NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (case_id, certificate)
);
