"""When the Sun and the Moon rise and set: the events of a site's night, and the Moon's passages."""
