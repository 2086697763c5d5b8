"""The ports made real: MongoDB, the bus, Prometheus."""
