"""Looks at images while somebody waits."""
