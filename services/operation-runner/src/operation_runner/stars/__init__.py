"""Stars of outside catalogues."""
