"""Finds operations and analysis actions: one per file of some packages. A broken or repeated one stops the runner.

Instead of a package a single file of one may be named.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TypeVar

from datalab.events.analysis import AnalysisDescribed
from datalab.events.offers import OperationDescribed
from operation_runner.sdk.analysis import Analysis
from operation_runner.sdk.operation import Operation

FoundT = TypeVar("FoundT", Operation, Analysis)


class RegistryError(Exception):
    """A file cannot be used; the text names it and says what is wrong, in words for its author."""


def discover(packages: Sequence[str]) -> dict[str, Operation]:
    """Return every operation of the named packages by its name. Raises `RegistryError`."""
    return _discover(packages, Operation, lambda operation: _described(operation, "registry"))  # type: ignore[type-abstract]  # never called itself


def discover_analyses(packages: Sequence[str]) -> dict[str, Analysis]:
    """Return every analysis action of the named packages by its name. Raises `RegistryError`."""
    return _discover(packages, Analysis, lambda analysis: _described_analysis(analysis, "registry"))  # type: ignore[type-abstract]  # never called itself


def describe(registry: Mapping[str, Operation], *, producer: str) -> list[OperationDescribed]:
    """Return the catalogue entry of every operation."""
    return [_described(operation, producer) for operation in registry.values()]


def describe_analyses(registry: Mapping[str, Analysis], *, producer: str) -> list[AnalysisDescribed]:
    """Return the description of every analysis action."""
    return [_described_analysis(analysis, producer) for analysis in registry.values()]


def _discover(
    packages: Sequence[str], base: type[FoundT], describe_one: Callable[[FoundT], object]
) -> dict[str, FoundT]:
    found: dict[str, FoundT] = {}
    for package in packages:
        for module_name in _modules(package):
            one = _one_of(module_name, base, describe_one)
            if one.name in found:
                other = type(found[one.name]).__module__
                raise RegistryError(f"{module_name} and {other} both define the {base.__name__.lower()} {one.name!r}")
            found[one.name] = one
    return found


def _modules(name: str) -> list[str]:
    """Return the modules of a package, or the module itself."""
    folders = getattr(_imported(name), "__path__", None)
    return [name] if folders is None else [found.name for found in pkgutil.iter_modules(folders, prefix=f"{name}.")]


def _described(operation: Operation, producer: str) -> OperationDescribed:
    return OperationDescribed(
        name=operation.name,
        version=operation.version,
        lane=operation.lane,
        wizard=operation.wizard(),
        parameters_schema=operation.Parameters.model_json_schema(),
        producer=producer,
    )


def _described_analysis(analysis: Analysis, producer: str) -> AnalysisDescribed:
    return AnalysisDescribed(
        action=analysis.name,
        description=analysis.description,
        parameters_schema=analysis.Parameters.model_json_schema(),
        producer=producer,
    )


def _imported(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        raise RegistryError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error


def _one_of(module_name: str, base: type[FoundT], describe_one: Callable[[FoundT], object]) -> FoundT:
    module = _imported(module_name)
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member.__module__ == module_name
    ]
    if len(classes) != 1:
        raise RegistryError(f"{module_name} must define exactly one {base.__name__}, but defines {len(classes)}")
    try:
        one: FoundT = classes[0]()
        describe_one(one)
    except (AttributeError, TypeError, ValueError) as error:
        raise RegistryError(f"{module_name}: {error}") from error
    return one
