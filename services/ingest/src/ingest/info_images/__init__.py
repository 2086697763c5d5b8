"""What sites show on their channels."""
