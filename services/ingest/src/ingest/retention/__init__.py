"""Objects that are kept for some time, or up to some size, and then go."""
