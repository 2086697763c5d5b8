"""What PIPE machines say of themselves: one document each."""
