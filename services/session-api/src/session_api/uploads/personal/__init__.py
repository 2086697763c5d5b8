"""Files of people, sent in parts with a token, and those an operator sends for a site."""
