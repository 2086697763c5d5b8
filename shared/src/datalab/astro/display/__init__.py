"""Images as screens show them."""
