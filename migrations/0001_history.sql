-- The journal's projection. Everything here can be dropped and rebuilt from the journal; nothing here is evidence.

CREATE TABLE record (
    sequence  INTEGER PRIMARY KEY,
    hash      BLOB NOT NULL,
    id        TEXT NOT NULL,
    time_ms   INTEGER NOT NULL,
    stage     TEXT NOT NULL,
    intent    INTEGER,
    actor     TEXT NOT NULL,
    method    TEXT NOT NULL,
    address   TEXT,
    action    TEXT NOT NULL,
    object    TEXT NOT NULL,
    reason    TEXT,
    outcome   TEXT,
    message   TEXT NOT NULL,
    run       INTEGER,
    -- The record as the journal has it, whole.
    json      TEXT NOT NULL,
    -- Derived, so that one row of a page is one row here.
    -- 1: a person did it; 0: it ran by itself.
    person    INTEGER NOT NULL,
    -- 1: it changed the host, or tried to; 0: sign-ins, exports and the like.
    is_change INTEGER NOT NULL,
    -- For an intent: the sequence of its outcome and what that says. For an event: its own.
    ended         INTEGER,
    ended_outcome TEXT
) STRICT;

-- One act is an intent with its outcome, or an event: outcomes are folded into their intents. Each index holds what
-- the other filters look at, so that a row is read only when it is shown.
CREATE INDEX record_changes ON record (is_change, sequence, actor, person, time_ms) WHERE stage <> 'outcome';
CREATE INDEX record_people ON record (person, sequence, is_change, time_ms) WHERE stage <> 'outcome';
CREATE INDEX record_actor ON record (actor, sequence, is_change, person, time_ms) WHERE stage <> 'outcome';
CREATE INDEX record_action ON record (action, sequence, actor, ended_outcome, person, time_ms) WHERE stage <> 'outcome';
CREATE INDEX record_outcome ON record (ended_outcome, sequence, is_change, actor, person, time_ms) WHERE stage <> 'outcome';
CREATE INDEX record_time ON record (time_ms, sequence);
CREATE INDEX record_run ON record (run, sequence) WHERE run IS NOT NULL;

-- Values before and after, for "this parameter over time".
CREATE TABLE change (
    name       TEXT NOT NULL,
    sequence   INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    from_value TEXT,
    to_value   TEXT,
    PRIMARY KEY (name, sequence, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_sequence ON change (sequence);

-- The last record taken in, so that rows missing at the end are told from a database that is behind.
CREATE TABLE progress (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    held INTEGER NOT NULL
) STRICT;

-- Words of acts, searched by their beginnings: of every 4096 records (sequence / 4096) those acts that have a word, by
-- their places there (sequence % 4096), ascending, two bytes each, the higher one first. Words are letters and digits in
-- small letters; those that begin with = are an act's actor, action, outcome and the like, for the other filters.
CREATE TABLE word (
    block INTEGER NOT NULL,
    word  TEXT NOT NULL,
    acts  BLOB NOT NULL,
    PRIMARY KEY (block, word)
) STRICT, WITHOUT ROWID;
