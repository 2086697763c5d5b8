"""How we reach the world: bus, documents, objects, settings, errors, logs, metrics, health.

A service imports technology only through this room, so that a driver is changed in one module.
"""
