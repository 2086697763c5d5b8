"""Positions of objects by their names, asked of SIMBAD once and kept."""
