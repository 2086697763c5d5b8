"""What headers say."""
