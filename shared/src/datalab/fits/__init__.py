"""Files of pixels: read by rows, checked, described."""
