"""What we know about the sky: arrays and headers in, arrays and tables out. No files, no services, no users."""
