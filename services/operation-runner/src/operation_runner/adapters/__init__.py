"""Processes, files, objects, buckets: the technology behind the runner's ports."""
