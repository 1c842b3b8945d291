"""The PointStore of a fleet: points in ClickHouse, what was taken of whom in PostgreSQL. See README.md."""
