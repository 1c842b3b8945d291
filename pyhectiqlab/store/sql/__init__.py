"""The MetaStore on an SQL database, through SQLAlchemy Core: what it keeps in tables, by topic."""
