"""What we say to each other: every message between the parts of Datalab, and the streams that carry them.

Needs nothing but pydantic, so that an observatory can install it to announce its files.
"""
