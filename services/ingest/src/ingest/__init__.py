"""Ingest: listens for new files and looks for them; the only writer of frames."""
