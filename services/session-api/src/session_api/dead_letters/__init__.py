"""Messages nobody could handle, for whoever looks after the system."""
