"""Data sessions: a user's named set of input data."""
