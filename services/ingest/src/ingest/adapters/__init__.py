"""How ingest reaches documents, objects and the inside of files."""
