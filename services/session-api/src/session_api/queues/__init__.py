"""Queues that observatories put work into and PIPE machines take it from: in order, each item once."""
