from __future__ import annotations

import warnings
from typing import Any

from astropy.io import fits

from datalab.astro.headers.cards import HeaderValue, comment_of, readable, value_of
from operation_runner.sdk.analysis import AnalysisParameters, Glimpsing, ImageByRows, UsageError

#: Of files with more HDUs, these are what people look for.
_MOST_HDUS = 200
_LARGEST_EXACT = 2**53


class HeaderCards(Glimpsing):
    name = "header-cards"
    description = (
        "Every card of every HDU of the file, in their order: keyword, value (null if it has none, or none that can be "
        "read) and comment. Of a compressed image they are those of the image."
    )

    Parameters = AnalysisParameters

    def glimpse(self, image: ImageByRows, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002 - it has none
        try:
            # Left to open the file itself, astropy does not close it when its first header is damaged.
            with warnings.catch_warnings(), image.path.open("rb") as file, fits.open(file, memmap=False) as hdus:
                warnings.simplefilter("ignore")
                shown = [_shown(hdu, number) for number, hdu in enumerate(_first(hdus))]
                return {"hdus": shown, "complete": len(shown) < _MOST_HDUS}
        except (OSError, fits.VerifyError, ValueError, TypeError, KeyError, IndexError) as error:
            raise UsageError(f"The headers of {image.basename} cannot be read: {error}") from error


def _first(hdus: fits.HDUList) -> list[Any]:
    """Return the first HDUs; what follows them is not read."""
    found: list[Any] = []
    for hdu in hdus:
        if len(found) == _MOST_HDUS:
            break
        found.append(hdu)
    return found


def _shown(hdu: Any, number: int) -> dict[str, Any]:
    name = readable(hdu.header, "EXTNAME", None)
    return {
        "number": number,
        "name": name if isinstance(name, str) else "",
        "cards": [[card.keyword, _exact(value_of(card)), comment_of(card)] for card in hdu.header.cards],
    }


def _exact(value: HeaderValue) -> HeaderValue:
    """Return whole numbers that JavaScript does not hold exactly as text."""
    return str(value) if isinstance(value, int) and abs(value) > _LARGEST_EXACT else value
