"""The analysis actions: one file each, found by the registry. See `operation_runner.sdk.analysis`."""
