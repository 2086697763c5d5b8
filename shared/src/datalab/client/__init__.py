"""How others reach us."""
