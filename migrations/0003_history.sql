-- The journal's projection. Everything here can be dropped and made anew from the journal; nothing here is evidence. A
-- database of an earlier version is: nothing of what it held has to be carried over.

CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    -- The record as the journal has it: the hash that stands before it there, and its text, byte for byte.
    hash     BLOB NOT NULL,
    json     TEXT NOT NULL,
    stage    TEXT AS (json ->> '$.stage') VIRTUAL,
    -- For an outcome: the intent that it names.
    intent   INTEGER AS (json ->> '$.intent') VIRTUAL,
    -- To the nearest millisecond; none for a time that SQLite cannot read.
    time_ms  INTEGER AS (CAST(round(unixepoch(json ->> '$.time', 'subsec') * 1000) AS INTEGER)) VIRTUAL
) STRICT;
CREATE INDEX record_end ON record (intent) WHERE stage = 'outcome';
CREATE INDEX record_time ON record (time_ms);

-- The words of each act (an intent with its outcome, or an event), by the number of its record: see src/audit/words.rs.
-- They are made of ASCII letters, digits, = and all that is not ASCII, as the program took them apart.
CREATE VIRTUAL TABLE search USING fts5(words, detail=none, columnsize=0, tokenize="ascii tokenchars '='");
-- Each word of each act, from word to word; and each word with the number of its acts.
CREATE VIRTUAL TABLE word USING fts5vocab(search, instance);
CREATE VIRTUAL TABLE word_count USING fts5vocab(search, row);

-- The last record taken in, so that rows missing at the end are told from a database that is behind.
CREATE TABLE progress (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    held INTEGER NOT NULL
) STRICT;
