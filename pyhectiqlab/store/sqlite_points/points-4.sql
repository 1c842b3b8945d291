-- From schema 3 of points.db, where every column of a batch was a row of the head.

CREATE TABLE arrived (
    id     INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    data   BLOB NOT NULL
);
ALTER TABLE run ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX run_deleted ON run (id) WHERE deleted;
ALTER TABLE series ADD COLUMN flushed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE arrival ADD COLUMN flushes INTEGER NOT NULL DEFAULT 0;
