"""Products: written, stored, found again."""
