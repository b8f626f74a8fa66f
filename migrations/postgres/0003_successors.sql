-- Successor groups: a case has a line of groups. What was an epoch is a place in that line: generation * 2^32 + epoch.
-- The SQLite schema is the same.

ALTER TABLE groups_followed RENAME COLUMN epoch TO place;
ALTER TABLE commits RENAME COLUMN epoch TO place;
ALTER TABLE welcomes RENAME COLUMN epoch TO place;
