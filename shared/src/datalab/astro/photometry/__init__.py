"""Brightness, measured and followed."""
