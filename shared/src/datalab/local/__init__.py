"""Everything on one machine: finds, starts and supervises the embedded servers and the services."""
