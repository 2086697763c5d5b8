"""One operation, from the bus to its result."""
