"""The collection of all tables of the MetaStore. Import meta_schema.py, which has them, to have them all in it."""

from sqlalchemy import MetaData

metadata = MetaData()
