"""Computes what is requested."""

SERVICE = "operation-runner"
