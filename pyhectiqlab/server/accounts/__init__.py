"""Who may log in and what they may do: users, keys, logins, and grants that last."""
