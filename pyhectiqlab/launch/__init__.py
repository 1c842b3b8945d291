"""`hectiqlab run`: any program as a run. Its console, its end, its command line and what surrounds it."""
