-- From schema 5 of points.db, which knew neither NaNs nor sums of a series. NULL: an earlier version began it, see moments.py.

ALTER TABLE series ADD COLUMN nan INTEGER;
ALTER TABLE series ADD COLUMN finite INTEGER;
ALTER TABLE series ADD COLUMN total REAL;
ALTER TABLE series ADD COLUMN first_step INTEGER;
ALTER TABLE series ADD COLUMN first_seq INTEGER;
ALTER TABLE series ADD COLUMN first_arrival INTEGER;
ALTER TABLE series ADD COLUMN first_value REAL;
ALTER TABLE series ADD COLUMN min_step INTEGER;
ALTER TABLE series ADD COLUMN max_step INTEGER;
CREATE INDEX series_nan ON series (run) WHERE nan IS NULL OR nan > 0;
