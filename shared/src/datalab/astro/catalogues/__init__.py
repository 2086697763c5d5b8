"""Catalogues of sources: their columns, zero points, clusters."""
