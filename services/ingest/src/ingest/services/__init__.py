"""What ingest does with files."""
