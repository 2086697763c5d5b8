"""How the devices, the weather and the roof of sites are, as their software says several times a second."""
