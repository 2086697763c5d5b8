"""The operations there are, as the runners offer them."""
