"""Documents that more than one service reads."""
