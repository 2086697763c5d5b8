"""Notes that staff leave for whoever looks at a site."""
