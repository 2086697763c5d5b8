"""Control rooms: where the people who observe with a site meet, each room with an address of its own."""
