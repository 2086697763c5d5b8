"""What this runner offers: found, described, published."""
