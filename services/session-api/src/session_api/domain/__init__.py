"""The rules: what sessions, operations, frames and users are, and what may happen to them."""
