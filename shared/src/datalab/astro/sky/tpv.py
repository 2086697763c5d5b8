"""The terms of TPV polynomials, in the order of the registered FITS convention."""

from __future__ import annotations

#: Degree of the polynomials of TPV.
MOST_DEGREE = 7
#: Powers of the radius stand between the degrees: terms 3, 11, 23 and 39.
_RADIAL = {3: 1, 11: 3, 23: 5, 39: 7}


def _terms() -> dict[int, tuple[int, int]]:
    terms: dict[int, tuple[int, int]] = {}
    number = 0
    for degree in range(MOST_DEGREE + 1):
        for second in range(degree + 1):
            while number in _RADIAL:
                number += 1
            terms[number] = (degree - second, second)
            number += 1
    return terms


_POWERS = _terms()
_NUMBERS = {powers: number for number, powers in _POWERS.items()}


def power_of_term(term: int) -> tuple[int, int] | None:
    """Return the powers of the own and of the other axis of a PV term, (0, 0) for radial ones, None if it is none."""
    return (0, 0) if term in _RADIAL else _POWERS.get(term)


def term_of_powers(own: int, other: int) -> int | None:
    """Return the number of the PV term with these powers of the own and the other axis, None beyond degree 7."""
    return _NUMBERS.get((own, other))
