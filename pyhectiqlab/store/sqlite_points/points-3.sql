-- From schema 2 of points.db. Its chunks stay readable, with their nodes in the table node; `compact` writes them anew.

ALTER TABLE chunk ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
CREATE INDEX chunk_old ON chunk (series) WHERE form < 6;

CREATE TABLE node_data (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
