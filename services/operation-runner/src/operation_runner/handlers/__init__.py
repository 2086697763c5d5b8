"""What reaches the runner over the bus, one file per subject matter."""
