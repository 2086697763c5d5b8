"""Input files: fetched, verified, opened."""
