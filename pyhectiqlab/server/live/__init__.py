"""Live updates: what commits changed, told to pages and to the other labs."""
