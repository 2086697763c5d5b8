"""Frames: one exposure each, built from the files that arrived."""
