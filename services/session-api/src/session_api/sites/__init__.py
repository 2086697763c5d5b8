"""What sites say of themselves: one document each."""
