"""What the Datalab services share. Each room below states its purpose in its own docstring."""

__version__ = "0.1.0"
