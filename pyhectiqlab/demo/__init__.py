"""Demo: a real training to watch, small enough to read in one go: `python -m pyhectiqlab.demo`."""
