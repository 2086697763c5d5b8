"""Arithmetic and statistics of pixels."""
