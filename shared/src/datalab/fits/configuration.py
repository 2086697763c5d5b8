"""astropy's settings for FITS, without their price.

astropy looks a setting up in the sections of its configuration file, and validates it, each time it is asked; and it
asks for several with every card it reads or writes: 870 times for an operation on two small images.
"""

from __future__ import annotations

from typing import Any

from astropy.config import ConfigItem
from astropy.io import fits


class _RememberedItem(ConfigItem):  # type: ignore[misc]  # astropy has no types
    """A setting that is looked up once, and again after it was set."""

    def __call__(self) -> Any:
        """Return the value."""
        known = self.__dict__
        if "remembered" not in known:
            known["remembered"] = super().__call__()
        return known["remembered"]

    def set(self, value: Any) -> None:
        """Change the value. Raises `TypeError` for what the setting cannot be."""
        super().set(value)
        self.__dict__.pop("remembered", None)

    def reload(self) -> Any:
        """Return the value, read again from the configuration file."""
        value = super().reload()
        self.__dict__.pop("remembered", None)
        return value


def remember_settings() -> None:
    """Have this process look each of astropy's settings for FITS up once; setting them works as before."""
    for item in fits.conf.values():
        item.__class__ = _RememberedItem
