"""Files made for somebody to save: each once, and to its end."""
