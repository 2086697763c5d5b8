"""Where the Sun and the Moon stand over a place, and when they rise and set there."""
