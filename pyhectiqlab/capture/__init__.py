"""Read the host: processes and how they ended, launchers, git, packages, loggers, notebooks, files, values.

Functions here return plain values. Of our other packages, they import only `protocol` and `base`.
"""
