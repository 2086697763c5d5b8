"""Takes files in, and looks for those nobody announced."""

SERVICE = "ingest"
