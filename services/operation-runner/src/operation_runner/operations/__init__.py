"""One file per operation; the registry finds them by itself. An operation never imports another operation."""
