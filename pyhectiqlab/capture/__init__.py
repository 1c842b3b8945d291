"""What is read from the host: processes and how they ended, launchers, values.

It returns plain values, and imports nothing else of ours but `protocol` and `base`.
"""
