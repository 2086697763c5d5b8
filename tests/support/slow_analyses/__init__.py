"""Analysis actions that behave badly."""
