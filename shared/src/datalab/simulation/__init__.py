"""A sky and an observatory that are not there: for the demo, tests, benchmarks and teaching."""
