"""How messages reach ingest."""
