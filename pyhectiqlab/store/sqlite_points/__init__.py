"""The PointStore in one SQLite file: columns of points in chunks, with summaries above them."""
