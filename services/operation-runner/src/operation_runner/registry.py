"""Finds the operations: one per file of a package. A broken or repeated one stops the runner with a clear text."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from types import ModuleType

from datalab.events.catalogue import OperationDescribed
from operation_runner import operations
from operation_runner.sdk import Operation


class RegistryError(Exception):
    """An operation's file cannot be used; the text names the file and what is wrong."""


def discover(package: ModuleType = operations) -> dict[str, Operation]:
    """Return every operation of a package by its name. Raises `RegistryError`."""
    found: dict[str, Operation] = {}
    for module_info in pkgutil.iter_modules(package.__path__, prefix=f"{package.__name__}."):
        operation = _operation_of(module_info.name)
        if operation.name in found:
            other = type(found[operation.name]).__module__
            raise RegistryError(f"{module_info.name} and {other} both define the operation {operation.name!r}")
        found[operation.name] = operation
    return found


def describe(registry: Mapping[str, Operation], *, producer: str) -> list[OperationDescribed]:
    """Return the catalogue entry of every operation."""
    return [
        OperationDescribed(
            name=operation.name,
            version=operation.version,
            lane=operation.lane,
            wizard=operation.wizard(),
            parameters_schema=operation.Parameters.model_json_schema(),
            producer=producer,
        )
        for operation in registry.values()
    ]


def _operation_of(module_name: str) -> Operation:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise RegistryError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    classes = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Operation) and member.__module__ == module_name
    ]
    if len(classes) != 1:
        raise RegistryError(f"{module_name} must define exactly one Operation, but defines {len(classes)}")
    try:
        operation: Operation = classes[0]()
        operation.wizard()
        for attribute in ("name", "description", "version", "lane", "Parameters"):
            getattr(operation, attribute)
    except (AttributeError, TypeError) as error:
        raise RegistryError(f"{module_name}: {error}") from error
    return operation
