"""Passwords and tokens in the environment of a process, and keeping them out of the processes it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_PREFIX = "DATALAB_"
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY$")


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are none of our passwords, tokens, keys or addresses with a password in them."""
    return {name: value for name, value in environ.items() if not _is_secret(name, value)}


def forget_secrets() -> None:
    """Take them out of this process's environment, once its settings were read: its children inherit it."""
    for name in os.environ.keys() - without_secrets(os.environ).keys():
        del os.environ[name]


def _is_secret(name: str, value: str) -> bool:
    if not name.startswith(_PREFIX):
        return False
    return bool(_SECRET_NAME.search(name)) or any(_has_password(address) for address in value.split(","))


def _has_password(address: str) -> bool:
    try:
        return bool(urlsplit(address.strip()).password)
    except ValueError:  # no address, or one only its driver understands, such as a list of hosts with one bad port
        return "@" in address
