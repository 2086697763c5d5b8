"""What modules hold, and whether that was changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import getclosurevars
from types import FunctionType, ModuleType
from typing import Any

#: Modules anybody may reach without having imported them as a name of its own.
_ALWAYS = (
    "builtins",
    "io",
    "json",
    "locale",
    "logging",
    "math",
    "os",
    "pathlib",
    "random",
    "sys",
    "tempfile",
    "time",
    "warnings",
)
#: What every module has; warnings shown already; of `sys`, what was raised last.
_OF_NO_MATTER = frozenset(
    {"__builtins__", "__warningregistry__", "last_exc", "last_type", "last_value", "last_traceback"}
)


class ModuleState:
    """What the modules of some packages held when this was made.

    Compared are the modules' names, the attributes of their classes and of instances of these, and every dictionary,
    list and set that can be reached from there; of other modules that they use, the names those had.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self._roots = {package.partition(".")[0] for package in packages}
        self._modules = {name: module for name, module in sys.modules.items() if module is not None}
        self._held: list[tuple[str, Any, Any]] = []
        self._seen: set[int] = set()
        used = [sys.modules[name] for name in _ALWAYS if name in sys.modules]
        for name, module in self._modules.items():
            if self._is_ours(name) and isinstance(module, ModuleType):
                self._hold(name, vars(module))
                used += [value for value in vars(module).values() if isinstance(value, ModuleType)]
        self._used = [
            (module.__name__, vars(module), dict(vars(module)))
            for module in {id(module): module for module in used}.values()
            if not self._is_ours(module.__name__)
        ]

    def changed(self) -> list[str]:
        """Return the names of what is not as it was."""
        return [
            *(name for name, live, before in self._held if not _same(live, before)),
            *(name for name, live, before in self._used if not _still_has(live, before)),
            *self._exchanged(),
        ]

    def _is_ours(self, module: str) -> bool:
        return module.partition(".")[0] in self._roots

    def _exchanged(self) -> Iterator[str]:
        """Yield modules that were taken out or exchanged, and new ones of our packages: who knows what they hold."""
        if not self._modules.items() <= sys.modules.items():
            yield from (name for name, module in self._modules.items() if sys.modules.get(name) is not module)
        if len(sys.modules) > len(self._modules):
            yield from (name for name in sys.modules if name not in self._modules and self._is_ours(name))

    def _hold(self, name: str, value: Any) -> None:
        """Remember what a value holds, and what that holds in turn."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        match value:
            case dict():
                self._held.append((name, value, dict(value)))
                self._hold_each(name, value)
            case list() | set() | bytearray():
                self._held.append((name, value, value.copy()))
                self._hold_each(name, dict(enumerate(value)))
            case tuple() | frozenset():
                self._hold_each(name, dict(enumerate(value)))
            case type() if self._is_ours(str(value.__module__)):
                self._held.append((name, vars(value), dict(vars(value))))
                self._hold_each(name, {key: held for key, held in vars(value).items() if not key.startswith("__")})
            case FunctionType() if self._is_ours(str(value.__module__)):
                self._hold_each(name, {**vars(value), "defaults": value.__defaults__, **(value.__kwdefaults__ or {})})
                self._hold_each(name, getclosurevars(value).nonlocals)
            case _ if self._is_ours(str(type(value).__module__)) and hasattr(value, "__dict__"):
                self._hold(name, vars(value))
            case _ if _is_array(value):
                self._held.append((name, value, value.copy()))

    def _hold_each(self, name: str, values: Mapping[Any, Any]) -> None:
        for key, value in values.items():
            if key not in _OF_NO_MATTER:
                self._hold(f"{name}.{key}", value)


def _same(live: Any, before: Any) -> bool:
    if _is_array(live):
        return bool(live.tobytes() == before.tobytes())
    try:
        if live == before:
            return True
    except ValueError:  # an array takes the place of another
        return False
    if isinstance(live, Mapping) and isinstance(before, Mapping):
        return _without_remarks(live) == _without_remarks(before)
    return False


def _is_array(value: Any) -> bool:
    return hasattr(type(value), "tobytes") and hasattr(type(value), "dtype")


def _without_remarks(held: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in held.items() if key not in _OF_NO_MATTER}


def _still_has(live: Mapping[str, Any], before: dict[str, Any]) -> bool:
    """Others may load more of themselves when they need it, but not change what there was."""
    if live == before:
        return True
    if any(live.get(key) is not was for key, was in before.items() if was is not None and key not in _OF_NO_MATTER):
        return False
    before.update(live)  # what was loaded may not change either, from now on
    return True
