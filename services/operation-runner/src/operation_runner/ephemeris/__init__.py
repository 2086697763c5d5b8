"""Tells when the Sun and the Moon rise and set, while somebody waits."""
