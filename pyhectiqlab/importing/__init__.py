"""Import: bring what other tools have logged into the lab.

Readers return points with their times; send.py sends them.
"""
