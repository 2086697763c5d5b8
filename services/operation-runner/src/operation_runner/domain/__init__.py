"""What the runner needs from the world, and the words for it."""
