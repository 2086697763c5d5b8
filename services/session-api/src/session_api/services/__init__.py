"""What the session API does, in terms of the domain and its ports."""
