-- From schema 1 of points.db, where relative time was measured from the first point of each series.

CREATE TABLE attempt (
    run    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
INSERT INTO attempt SELECT run, attempt, min(origin) FROM series GROUP BY run, attempt;

-- Nodes of relative time of the series that move are made again by `compact`; until then their chunks are decoded.
UPDATE chunk SET relative_shift = NULL WHERE series IN (
    SELECT s.id FROM series s JOIN attempt a ON a.run = s.run AND a.number = s.attempt WHERE s.origin <> a.origin);
UPDATE series SET origin = (SELECT origin FROM attempt a WHERE a.run = series.run AND a.number = series.attempt);
