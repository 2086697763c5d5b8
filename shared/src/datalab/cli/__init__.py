"""The `datalab` command."""
