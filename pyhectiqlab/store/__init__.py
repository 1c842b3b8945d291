"""The lab's storage behind interfaces: MetaStore (accounts, projects, runs, events) and PointStore (series)."""
