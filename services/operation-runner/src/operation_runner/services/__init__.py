"""What the runner does with a request, told without any technology."""
