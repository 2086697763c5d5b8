"""The archive's frames, as the session API reads them."""
