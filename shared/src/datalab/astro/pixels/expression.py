"""Formulas on images: read by a grammar of their own, so that a text from outside can do nothing but arithmetic."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datalab.astro.types import Pixels

Values = Pixels

#: Longer formulas than anybody types; deeper nesting would also reach Python's own limit.
MAX_LENGTH = 500
MAX_DEPTH = 40

_BINARY: Mapping[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
}
_UNARY: Mapping[type[ast.unaryop], Callable[..., Any]] = {
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Invert: np.logical_not,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
#: Functions of pixels, with their numbers of arguments.
_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1),
    "sqrt": (np.sqrt, 1),
    "exp": (np.exp, 1),
    "log": (np.log, 1),
    "log10": (np.log10, 1),
    "sin": (np.sin, 1),
    "cos": (np.cos, 1),
    "floor": (np.floor, 1),
    "isnan": (np.isnan, 1),
    "minimum": (np.fmin, 2),
    "maximum": (np.fmax, 2),
    "where": (np.where, 3),
    "clip": (np.clip, 3),
}
#: Functions of a whole image, which give one number; blank and infinite pixels do not count.
_REDUCTIONS: Mapping[str, Callable[[Values], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "std": np.std,
    "sum": np.sum,
    "min": np.min,
    "max": np.max,
}
_CONSTANTS = {"pi": np.pi, "nan": np.nan}


class ExpressionError(ValueError):
    """A formula that cannot be used; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """One number of a whole image, such as its median."""

    function: str
    image: str

    def of(self, pixels: Values) -> float:
        """Return the number for an image, float64; NaN if no pixel is finite."""
        values = np.asarray(pixels, np.float64)
        values = values[np.isfinite(values)]
        with np.errstate(over="ignore"):  # what is beyond the floats becomes NaN with the rest of the formula
            return float(_REDUCTIONS[self.function](values)) if values.size else float("nan")


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula that has been understood. `images` are the names it uses, `reductions` what it asks of whole images."""

    text: str
    images: frozenset[str]
    reductions: frozenset[Reduction]
    _tree: ast.expr

    def evaluate(self, pixels: Mapping[str, Values], reduced: Mapping[Reduction, float]) -> Values:
        """Return the formula's value, float64, of the shape of the images; undefined and infinite values are NaN.

        Args:
            pixels: the images by name, or the same rows of all of them, each (rows, columns).
            reduced: the number for each of `reductions`.
        """
        values = {name: np.asarray(each, np.float64) for name, each in pixels.items()}
        shape = np.broadcast_shapes(*(each.shape for each in values.values()))
        with np.errstate(all="ignore"):  # what is undefined becomes NaN, whatever the reason
            result = np.asarray(_value(self._tree, values, reduced), np.float64)
        result = np.array(np.broadcast_to(result, shape))
        result[~np.isfinite(result)] = np.nan
        return result

    def is_affine_in(self, name: str) -> bool:
        """Tell whether the value is a number times an image, plus another one, both the same whatever the image is.

        Numbers of whole images, such as its median, count as given; a condition on the image, or its square, does not.
        """
        return _degree(self._tree, name) in (0, 1)


def parse(text: str, names: Collection[str]) -> Expression:
    """Return a formula on images of the given names.

    Numbers, the names, `+ - * / % **`, comparisons, `& | ~`, parentheses, the functions of pixels abs, sqrt, exp, log,
    log10, sin, cos, floor, isnan, minimum, maximum, where, clip, the numbers mean, median, std, sum, min, max of a
    whole image, and the constants pi and nan.

    Raises:
        ExpressionError: the text is anything else.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} can be used")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # remarks such as on `1is`, which is refused anyway
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ExpressionError(f"the expression cannot be read{where}") from error
    checked = _Check(frozenset(names))
    checked.check(tree, depth=0)
    if not checked.images:
        raise ExpressionError(f"the expression uses no image; it must name at least one of {_listed(names)}")
    return Expression(text.strip(), frozenset(checked.images), frozenset(checked.reductions), tree)


class _Check:
    """Goes through a formula once and refuses all that is not expressly allowed."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.images: set[str] = set()
        self.reductions: set[Reduction] = set()

    def check(self, node: ast.expr, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"the expression is nested more than {MAX_DEPTH} times")
        for part in self._parts(node):
            self.check(part, depth=depth + 1)

    def _parts(self, node: ast.expr) -> list[ast.expr]:  # noqa: PLR0911 - one for each kind of node
        match node:
            case ast.Constant(value=bool() | complex()):
                pass
            case ast.Constant(value=int() | float()):
                return []
            case ast.Name(id=name) if name in _CONSTANTS:
                return []
            case ast.Name(id=name):
                if name not in self._names:
                    raise ExpressionError(f"{_at(node)}there is no image {name!r}; there are {_listed(self._names)}")
                self.images.add(name)
                return []
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                return [left, right]
            case ast.UnaryOp(op=unary, operand=operand) if type(unary) in _UNARY:
                return [operand]
            case ast.Compare(left=left, ops=[comparison], comparators=[right]) if type(comparison) in _COMPARISONS:
                return [left, right]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._arguments(node, name, arguments)
        raise ExpressionError(f"{_at(node)}only arithmetic, comparisons and the listed functions can be used")

    def _arguments(self, node: ast.expr, name: str, arguments: list[ast.expr]) -> list[ast.expr]:
        if name in _REDUCTIONS:
            match arguments:
                case [ast.Name(id=image)] if image in self._names:
                    self.reductions.add(Reduction(name, image))
                    return arguments
            raise ExpressionError(f"{_at(node)}{name} takes the name of one image: {name}({min(self._names)})")
        if name not in _FUNCTIONS:
            raise ExpressionError(
                f"{_at(node)}there is no function {name!r}; there are {_listed([*_FUNCTIONS, *_REDUCTIONS])}"
            )
        wanted = _FUNCTIONS[name][1]
        if len(arguments) != wanted:
            raise ExpressionError(f"{_at(node)}{name} takes {wanted} argument(s), not {len(arguments)}")
        return arguments


def _degree(node: ast.expr, name: str) -> int | None:  # noqa: PLR0911 - one for each kind of node
    """Return whether a part of a formula does not depend on an image (0), in proportion (1), or otherwise (None)."""
    match node:
        case ast.Constant():
            return 0
        case ast.Name(id=image):
            return int(image == name)
        case ast.Call(func=ast.Name(id=function)) if function in _REDUCTIONS:
            return 0
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            return _degree(operand, name)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            degrees = _degree(left, name), _degree(right, name)
            return None if None in degrees else max(degrees)  # type: ignore[type-var]
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            degrees = _degree(left, name), _degree(right, name)
            return None if None in degrees or degrees == (1, 1) else max(degrees)  # type: ignore[type-var]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _degree(left, name) if _degree(right, name) == 0 else None
        case _:
            parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
            used = parts[1:] if isinstance(node, ast.Call) else parts
            return 0 if all(_degree(part, name) == 0 for part in used) else None


def _value(  # noqa: PLR0911 - one for each kind of node
    node: ast.expr, values: Mapping[str, Values], reduced: Mapping[Reduction, float]
) -> Any:
    """Return the value of a part of a formula that `_Check` has allowed."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number) if abs(number) < _LARGEST else np.float64(np.inf)
        case ast.Name(id=name) if name in _CONSTANTS:
            return np.float64(_CONSTANTS[name])
        case ast.Name(id=name):
            return values[name]
        case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=image)]) if name in _REDUCTIONS:
            return np.float64(reduced[Reduction(name, image)])
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name][0](*(_value(argument, values, reduced) for argument in arguments))
        case ast.UnaryOp(op=unary, operand=operand):
            return _UNARY[type(unary)](_value(operand, values, reduced))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return _COMPARISONS[type(comparison)](_value(left, values, reduced), _value(right, values, reduced))
        case ast.BinOp(left=left, op=operator, right=right):
            return _BINARY[type(operator)](_value(left, values, reduced), _value(right, values, reduced))
        case _:
            raise AssertionError(f"{ast.dump(node)} was not refused")


_LARGEST = float(np.finfo(np.float64).max)


def _at(node: ast.expr) -> str:
    return f"at character {node.col_offset + 1}: "


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
