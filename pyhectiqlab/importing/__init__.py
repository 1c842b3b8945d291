"""Bringing what other tools have logged into the lab: readers, which give points with their times, and the sending."""
