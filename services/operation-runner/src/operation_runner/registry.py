"""Finds the operations: one per file of some packages. A broken or repeated one stops the runner with a clear text."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from types import ModuleType

from datalab.events.catalogue import OperationDescribed
from operation_runner.sdk import Operation


class RegistryError(Exception):
    """An operation's file cannot be used; the text names the file and what is wrong."""


def discover(packages: Sequence[str]) -> dict[str, Operation]:
    """Return every operation of the named packages by its name. Raises `RegistryError`."""
    found: dict[str, Operation] = {}
    for package in packages:
        for module in pkgutil.iter_modules(_imported(package).__path__, prefix=f"{package}."):
            operation = _operation_of(module.name)
            if operation.name in found:
                other = type(found[operation.name]).__module__
                raise RegistryError(f"{module.name} and {other} both define the operation {operation.name!r}")
            found[operation.name] = operation
    return found


def describe(registry: Mapping[str, Operation], *, producer: str) -> list[OperationDescribed]:
    """Return the catalogue entry of every operation."""
    return [_described(operation, producer) for operation in registry.values()]


def _described(operation: Operation, producer: str) -> OperationDescribed:
    return OperationDescribed(
        name=operation.name,
        version=operation.version,
        lane=operation.lane,
        wizard=operation.wizard(),
        parameters_schema=operation.Parameters.model_json_schema(),
        producer=producer,
    )


def _imported(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        raise RegistryError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error


def _operation_of(module_name: str) -> Operation:
    module = _imported(module_name)
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Operation) and member.__module__ == module_name
    ]
    if len(classes) != 1:
        raise RegistryError(f"{module_name} must define exactly one Operation, but defines {len(classes)}")
    try:
        operation: Operation = classes[0]()
        _described(operation, producer="registry")
    except (AttributeError, TypeError, ValueError) as error:
        raise RegistryError(f"{module_name}: {error}") from error
    return operation
