"""Images of the whole sky over a site."""
