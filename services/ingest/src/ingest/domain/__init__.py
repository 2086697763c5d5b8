"""What a file and a frame are, and what the services need from the world."""
