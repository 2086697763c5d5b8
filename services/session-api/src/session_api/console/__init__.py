"""The pages of the console, as `services/console` builds them."""
