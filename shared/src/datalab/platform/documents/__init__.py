"""The document store, and the outbox in every document."""
