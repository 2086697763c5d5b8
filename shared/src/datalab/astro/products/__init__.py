"""What a product says of its making."""
