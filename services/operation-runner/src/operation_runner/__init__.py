"""The operation runner: takes requested operations from the bus, computes them, stores and reports the results.

It has no database. Whatever is killed at any moment, the same request leads to the same result under the same key.
"""
