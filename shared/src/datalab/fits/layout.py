"""Where the HDUs of an unpacked file are, from their headers alone. FITS Standard 4.0, section 3."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from datalab.astro.headers.cards import readable
from datalab.errors import UsageError
from datalab.fits.files import BLOCK_BYTES, read_header

_SIMPLE = b"SIMPLE  ="
_BITPIX = (8, 16, 32, 64, -32, -64)
_MOST_AXES = 999
#: Multi-extension files of mosaic cameras have about 100.
MOST_HDUS = 1000


@dataclass(frozen=True, slots=True)
class HduLayout:
    """One HDU: its header, as it is in the file too, and where header and data are, in bytes from the start."""

    header: fits.Header
    text: str
    header_offset: int
    data_offset: int
    data_bytes: int

    @property
    def end(self) -> int:
        """Where the next HDU begins."""
        return self.data_offset + math.ceil(self.data_bytes / BLOCK_BYTES) * BLOCK_BYTES


def read_layout(path: Path) -> list[HduLayout]:
    """Return the HDUs of a file; what follows the last one and is no FITS is not looked at.

    Raises `UsageError` if the file is no FITS or ends before the data of an HDU do.
    """
    size = path.stat().st_size
    found: list[HduLayout] = []
    with path.open("rb") as file:
        while not found or found[-1].end < size:
            offset = found[-1].end if found else 0
            file.seek(offset)
            start = file.read(BLOCK_BYTES)
            if not start.startswith(b"XTENSION" if found else _SIMPLE):
                if found:
                    break
                raise UsageError("it does not begin with the card SIMPLE")
            if len(found) == MOST_HDUS:
                raise UsageError(f"the file has more than {MOST_HDUS} HDUs")
            text = read_header(file.read, hdu=f"HDU {len(found)}", start=start)
            hdu = layout_of(text, offset, number=len(found))
            if hdu.data_offset + hdu.data_bytes > size:
                raise UsageError(f"the file ends before the data of HDU {len(found)} do")
            found.append(hdu)
    return found


def layout_notes(path: Path, *, last: int, end: int) -> list[str]:
    """Return what is odd about a file although it can be used, as `datalab.fits.structure` notes it of a stream.

    Args:
        path: of the file, unpacked.
        last: the number of the last HDU.
        end: where it ends, in bytes from the start.
    """
    size = path.stat().st_size
    if size <= end:
        return [not_filled_up(last)] if size < end else []
    with path.open("rb") as file:
        file.seek(end)
        return [followed_by_no_fits(last)] if file.read(BLOCK_BYTES).strip(b"\0 ") else []


def not_filled_up(number: int) -> str:
    """Return the note on the last block of an HDU."""
    return f"the last block of HDU {number} is not filled up"


def followed_by_no_fits(number: int) -> str:
    """Return the note on what comes behind the last HDU."""
    return f"what follows HDU {number} is not FITS"


def layout_of(text: str, offset: int, *, number: int) -> HduLayout:
    """Return the HDU whose header begins at a place. Raises `UsageError` if it declares what cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of keywords, and the notes on a header tell of them
        header = fits.Header.fromstring(text)
    return HduLayout(header, text, offset, offset + len(text), data_bytes(header, number))


def hdu_name(index: int, header: fits.Header) -> str:
    """Return how messages call an HDU: its number, and its name if it has one."""
    name = readable(header, "EXTNAME", None)
    return f"HDU {index} ({name.strip()})" if isinstance(name, str) and name.strip() else f"HDU {index}"


def data_bytes(header: fits.Header, hdu: int) -> int:
    """Return how many bytes of data a header declares, without what fills the last block. Raises `UsageError`."""
    bits = _integer(header, "BITPIX", hdu)
    if bits not in _BITPIX:
        raise UsageError(f"HDU {hdu}: BITPIX is {bits}, should be one of {', '.join(map(str, _BITPIX))}")
    axes = [_count(header, f"NAXIS{axis}", hdu) for axis in range(1, _count(header, "NAXIS", hdu, _MOST_AXES) + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]
    groups = _count(header, "GCOUNT", hdu) if "GCOUNT" in header else 1
    parameters = _count(header, "PCOUNT", hdu) if "PCOUNT" in header else 0
    return abs(bits) // 8 * groups * (parameters + math.prod(axes))


def _count(header: fits.Header, keyword: str, hdu: int, most: int | None = None) -> int:
    value = _integer(header, keyword, hdu)
    if value < 0 or (most is not None and value > most):
        raise UsageError(f"HDU {hdu}: {keyword} is {value}, which cannot be")
    return value


def _integer(header: fits.Header, keyword: str, hdu: int) -> int:
    try:
        value = header.get(keyword)
    except fits.VerifyError:
        raise UsageError(f"HDU {hdu}: the card {keyword} cannot be read") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"HDU {hdu}: {keyword} is {'missing' if value is None else 'not an integer'}")
    return value
