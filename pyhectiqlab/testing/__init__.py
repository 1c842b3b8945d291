"""Public fakes and fault injectors for tests, ours and those of users. Nothing else in the package imports them."""
