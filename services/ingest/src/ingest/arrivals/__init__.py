"""Files that are said to be there, and what becomes of them."""
