-- Schema 6 of points.db: the history of every metric. Columns and nodes are blobs: see chunks.py and nodes.py.

CREATE TABLE run (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    deleted INTEGER NOT NULL DEFAULT 0, -- the tombstone; kept after the purge, so that late copies stay removed
    dropped INTEGER NOT NULL DEFAULT 0  -- its points in `arrived` up to this batch are purged
);
CREATE INDEX run_deleted ON run (id) WHERE deleted;

-- What makes `append` idempotent: moved in the same transaction as the points.
CREATE TABLE writer (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    cursor INTEGER NOT NULL
);

-- One row, id 1: the number of the newest batch that is not in `arrived`, and how many transactions have moved points from
-- there into chunks. A batch's number is its place in the order of arrival.
CREATE TABLE arrival (
    id      INTEGER PRIMARY KEY,
    newest  INTEGER NOT NULL,
    flushes INTEGER NOT NULL DEFAULT 0
);
INSERT INTO arrival VALUES (1, 0, 0);

-- Where relative time is 0: the least time in the first batch of the attempt to arrive, whatever its keys.
CREATE TABLE attempt (
    run    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- A series with what a table of runs or keys shows of it, kept up to date by every append.
CREATE TABLE series (
    id           INTEGER PRIMARY KEY,
    run          INTEGER NOT NULL,
    key          TEXT NOT NULL,
    rank         INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    origin       INTEGER NOT NULL,  -- its attempt's
    count        INTEGER NOT NULL DEFAULT 0,
    step_min     INTEGER NOT NULL DEFAULT 9223372036854775807,
    step_max     INTEGER NOT NULL DEFAULT (-9223372036854775807 - 1),
    time_min     INTEGER NOT NULL DEFAULT 9223372036854775807,
    time_max     INTEGER NOT NULL DEFAULT (-9223372036854775807 - 1),
    value_min    REAL NOT NULL DEFAULT 9e999,   -- over finite values; +Infinity: none yet
    value_max    REAL NOT NULL DEFAULT -9e999,
    last_step    INTEGER NOT NULL DEFAULT (-9223372036854775807 - 1),
    last_seq     INTEGER NOT NULL DEFAULT -1,
    last_arrival INTEGER NOT NULL DEFAULT -1,
    last_time    INTEGER NOT NULL DEFAULT 0,
    last_value   REAL,                          -- NULL: NaN, which SQLite cannot hold
    scattered    INTEGER NOT NULL DEFAULT 0,    -- 1: its order by time is so unlike its order by step that it has a tree by time
    flushed      INTEGER NOT NULL DEFAULT 0,    -- its points in `arrived` up to this batch are in chunks
    nan           INTEGER,                      -- NULL, here and below: an earlier version began the series, see moments.py
    finite        INTEGER,                      -- values
    total         REAL,                         -- of finite values × 2^-64
    first_step    INTEGER,                      -- of the point with the lowest (step, seq, arrival)
    first_seq     INTEGER,
    first_arrival INTEGER,
    first_value   REAL,                         -- NULL: NaN
    min_step      INTEGER,                      -- the lowest one with the value value_min
    max_step      INTEGER,
    UNIQUE (run, key, rank, attempt)
);
CREATE INDEX series_nan ON series (run) WHERE nan IS NULL OR nan > 0;

-- What came and may be in no chunk yet: one row for each batch, see arrivals.py. Rows are added behind the last one, and
-- removed from the first one on, once the points of all before are in chunks. Until then `writer` may not know its last.
CREATE TABLE arrived (
    id     INTEGER PRIMARY KEY,  -- the number of the batch
    run    INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    last   INTEGER NOT NULL,     -- sequence number of the writer
    data   BLOB NOT NULL
);

-- The head: columns of very many points, unsorted, one row for each. `compact` turns them into chunks.
CREATE TABLE head (
    id       INTEGER PRIMARY KEY,
    series   INTEGER NOT NULL,
    arrival  INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    step_min INTEGER NOT NULL,
    step_max INTEGER NOT NULL,
    time_min INTEGER NOT NULL,
    time_max INTEGER NOT NULL,
    data     BLOB NOT NULL
);
CREATE INDEX head_series ON head (series, arrival, n);

-- Sorted chunks. Chunks of one (series, tree, sorted run) that are not pending do not overlap, but for equal places at their borders.
CREATE TABLE chunk (
    id          INTEGER PRIMARY KEY,
    series      INTEGER NOT NULL,
    tree        INTEGER NOT NULL,  -- 0: sorted by step; 1: by time, a copy that only scattered series have
    sorted_run  INTEGER NOT NULL,
    pending     INTEGER NOT NULL,  -- 1: still to be merged into its sorted run
    copied      INTEGER NOT NULL,  -- tree 0: 1 once its points are in tree 1 too
    n           INTEGER NOT NULL,
    step_min    INTEGER NOT NULL,
    step_max    INTEGER NOT NULL,
    time_min    INTEGER NOT NULL,
    time_max    INTEGER NOT NULL,
    arrival_min INTEGER NOT NULL,
    arrival_max INTEGER NOT NULL,
    step_shift     INTEGER,        -- its fine nodes of this axis cover 2^shift each; NULL: it has none, decode it
    time_shift     INTEGER,
    relative_shift INTEGER,
    form        INTEGER NOT NULL DEFAULT 1  -- the kind of its blob; one below 6 is of an earlier version
);
CREATE INDEX chunk_series ON chunk (series, tree, sorted_run, step_min);
CREATE INDEX chunk_old ON chunk (series) WHERE form < 6;

CREATE TABLE chunk_data (
    id   INTEGER PRIMARY KEY,      -- of the chunk
    data BLOB NOT NULL
);

-- Two levels of nodes for each axis of a chunk of many points: fine ones, and coarse ones that cover eight times as much.
CREATE TABLE node_data (
    id   INTEGER PRIMARY KEY,      -- 8 × the chunk's id + 2 × axis (0 step, 1 time, 2 relative) + level (0 fine, 1 coarse)
    data BLOB NOT NULL
);
