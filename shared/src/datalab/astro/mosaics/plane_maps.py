"""Maps of the plane, from similarities to cubic polynomials, fitted to pairs of positions.

A polynomial is good only among the positions it was fitted to. Beyond the box around them a map goes on as its linear
part at the nearest place of the box, so that it never folds back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datalab.astro.types import FloatArray

#: The highest order that is fitted: freer maps follow false pairs where stars are few.
HIGHEST_ORDER = 3
#: Exponents of x and y of each term, by the order of the polynomial.
_TERMS = {
    order: tuple((total - j, j) for total in range(order + 1) for j in range(total + 1))
    for order in range(1, HIGHEST_ORDER + 1)
}
#: Both new coordinates, or their slopes.
_Pair = tuple[FloatArray, FloatArray]
#: Each pass of the inversion makes its error smaller by what distortion adds to the scale, a tenth at the most.
_INVERSION_PASSES, _INVERTED_PX = 40, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneMap:
    """A polynomial in x and y for each of the new coordinates.

    Attributes:
        order: of the polynomials, from 1 on.
        parameters: how many numbers it was fitted with: 4 of a similarity, else those of the polynomials.
        coefficients: shape (2, terms), of coordinates that run from -1 to 1 in the box.
        centre: x and y of the middle of the box.
        half: half of its width and height.
    """

    order: int
    parameters: int
    coefficients: FloatArray
    centre: FloatArray
    half: FloatArray

    @property
    def name(self) -> str:
        """What it can change, in words."""
        if self.order > 1:
            return f"distortion of order {self.order}"
        return {0: "nothing to change", 4: "shift, rotation and scale"}.get(self.parameters, "a linear map")

    def __call__(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the new coordinates, of the common shape of `x` and `y`."""
        u, v = self._normalised(x, y)
        if self.order == 1 or bool(np.all((np.abs(u) <= 1.0) & (np.abs(v) <= 1.0))):
            return self._evaluated(u, v)
        in_u, in_v = np.clip(u, -1.0, 1.0), np.clip(v, -1.0, 1.0)
        (x_u, y_u), (x_v, y_v) = self._slopes(in_u, in_v)
        new_x, new_y = self._evaluated(in_u, in_v)
        return new_x + x_u * (u - in_u) + x_v * (v - in_v), new_y + y_u * (u - in_u) + y_v * (v - in_v)

    def bent_beyond(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return how far the polynomials lead from where the map does, which beyond the box goes straight on: (n,).

        Neither is known to be right there; so far apart they are, so little is known.
        """
        new_x, new_y = self(x, y)
        bent_x, bent_y = self._evaluated(*self._normalised(x, y))
        apart: FloatArray = np.hypot(bent_x - new_x, bent_y - new_y)
        return apart

    def inverse(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the coordinates that lead to these; NaN where none do."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        back = np.linalg.inv(self.linear_part())
        old_x, old_y = np.broadcast_to(self.centre[0], x.shape), np.broadcast_to(self.centre[1], x.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            for _ in range(1 if self.order == 1 else _INVERSION_PASSES):
                there_x, there_y = self(old_x, old_y)
                miss_x, miss_y = x - there_x, y - there_y
                old_x = old_x + back[0, 0] * miss_x + back[0, 1] * miss_y
                old_y = old_y + back[1, 0] * miss_x + back[1, 1] * miss_y
                if not np.any(np.hypot(miss_x, miss_y) > _INVERTED_PX):
                    break
            there_x, there_y = self(old_x, old_y)
            good = np.hypot(x - there_x, y - there_y) <= max(1.0, float(np.abs(back).max())) * 1e-2
        return np.where(good, old_x, np.nan), np.where(good, old_y, np.nan)

    def linear_part(self) -> FloatArray:
        """Return the Jacobian in the middle of the box, shape (2, 2)."""
        (x_u, y_u), (x_v, y_v) = self._slopes(np.zeros(1), np.zeros(1))
        return np.array(
            [[x_u[0] / self.half[0], x_v[0] / self.half[1]], [y_u[0] / self.half[0], y_v[0] / self.half[1]]]
        )

    def design(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the terms of the polynomial at positions (n,), shape (n, terms)."""
        return _design(*self._normalised(x, y), self.order)

    def _normalised(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (np.asarray(x) - self.centre[0]) / self.half[0], (np.asarray(y) - self.centre[1]) / self.half[1]

    def _evaluated(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._summed([u**i * v**j for i, j in _TERMS[self.order]])

    def _slopes(
        self, u: FloatArray, v: FloatArray
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Return the slopes of both new coordinates along u, then those along v."""
        terms = _TERMS[self.order]
        along_u = self._summed([i * u ** max(i - 1, 0) * v**j for i, j in terms])
        along_v = self._summed([j * u**i * v ** max(j - 1, 0) for i, j in terms])
        return along_u, along_v

    def _summed(self, terms: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        new_x, new_y = (sum(c * term for c, term in zip(row, terms, strict=True)) for row in self.coefficients)
        return np.asarray(new_x, np.float64), np.asarray(new_y, np.float64)


def fitted_similarity(
    x: FloatArray, y: FloatArray, new_x: FloatArray, new_y: FloatArray, *, mirrored: bool
) -> PlaneMap:
    """Return the shift, rotation and scale, with a reflection if `mirrored`, of least squares; needs two positions."""
    old, new = x + 1j * (-y if mirrored else y), new_x + 1j * new_y
    offsets = old - old.mean()
    turn = complex(np.vdot(offsets, new - new.mean()) / max(np.vdot(offsets, offsets).real, 1e-300))
    shift = complex(new.mean() - turn * old.mean())
    sign = -1.0 if mirrored else 1.0
    linear = np.array([[turn.real, -sign * turn.imag], [turn.imag, sign * turn.real]])
    return linear_map(linear, np.array([shift.real, shift.imag]), parameters=4)


def identity() -> PlaneMap:
    """Return the map that changes nothing: fitted with no number at all."""
    return linear_map(np.eye(2), np.zeros(2), parameters=0)


def linear_map(linear: FloatArray, shift: FloatArray, *, parameters: int = 6) -> PlaneMap:
    """Return the map of a matrix (2, 2) and a shift (2,)."""
    coefficients = np.column_stack([shift, linear])
    return PlaneMap(order=1, parameters=parameters, coefficients=coefficients, centre=np.zeros(2), half=np.ones(2))


def fitted_polynomial(x: FloatArray, y: FloatArray, new_x: FloatArray, new_y: FloatArray, *, order: int) -> PlaneMap:
    """Return the polynomials of least squares.

    Raises:
        numpy.linalg.LinAlgError: the positions are too few, or lie so that they do not determine it.
    """
    low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
    centre, half = (low + high) / 2.0, np.maximum((high - low) / 2.0, 1.0)
    design = _design((x - centre[0]) / half[0], (y - centre[1]) / half[1], order)
    found, _, rank, _ = np.linalg.lstsq(design, np.column_stack([new_x, new_y]), rcond=1e-6)
    if rank < design.shape[1]:
        raise np.linalg.LinAlgError("the positions do not determine the map")
    return PlaneMap(
        order=order,
        parameters=2 * design.shape[1],
        coefficients=np.asarray(found.T, np.float64),
        centre=centre,
        half=half,
    )


def _design(u: FloatArray, v: FloatArray, order: int) -> FloatArray:
    return np.column_stack([u**i * v**j for i, j in _TERMS[order]])
