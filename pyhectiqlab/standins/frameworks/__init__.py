"""Frameworks that choose their trackers from a list of their own: they get one more, `hectiqlab`."""
