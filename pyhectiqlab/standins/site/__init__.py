"""A folder for PYTHONPATH: its sitecustomize installs the import hook in every Python below `hectiqlab run`."""
