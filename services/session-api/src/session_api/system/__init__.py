"""What the processes of the system do and what waits for them, for whoever looks after it."""
