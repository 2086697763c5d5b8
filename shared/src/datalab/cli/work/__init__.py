"""What those commands do that need more than the REST API. Loaded when one of them runs."""
