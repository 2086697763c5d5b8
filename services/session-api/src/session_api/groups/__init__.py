"""Groups of users, with whom sessions are shared as with one."""
