"""The log of uploads, and the objects that were refused."""
