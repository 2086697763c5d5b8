"""The header of a product: what it was made from and how, and what it keeps of its first input."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from datalab.astro.headers.card_grammar import CARD_LENGTH, read_card
from datalab.astro.headers.cards import COMMENTARY, UNREADABLE_CARD, image_axes, is_empty, value_of
from datalab.astro.sky.wcs_header import PIXEL_REGION

#: Columns of text on a COMMENT or HISTORY card (FITS Standard 4.0, section 4.4.2.4).
COMMENTARY_LENGTH = 72
#: A note begins with the one and goes on with the other: where it ends is seen by that.
_NOTE, _NOTE_GOES_ON = "note ", "note + "
_NAME = str(fits.Card("EXTNAME", "SCI", "extension name"))
#: A card no writer has anything to mend in (FITS Standard 4.0, section 4): text, logical value or number.
_STRICT = re.compile(
    r"(?=.{80}$)(?:(?:COMMENT |HISTORY | {8})[ -~]*|"
    r"(?=.{8}= )[A-Z0-9_-]+ *= *"
    r"(?:'(?:[ -&(-~]|'')*'|[TF]|[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[ED][+-]?[0-9]+)?) *(?:/[ -~]*)?)"
)

#: Cards that describe how the input was stored or what its pixels summed to; the writer of the product sets its own.
#: The Z and FZ keywords are those of tile compression (FITS Standard 4.0, section 10) and of fpack.
_STORAGE = re.compile(
    r"SIMPLE|XTENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|THEAP|TFIELDS|"
    r"T(?:TYPE|FORM|UNIT|DISP|SCAL|ZERO|NULL|DIM)\d+|"
    r"Z(?:IMAGE|CMPTYPE|SIMPLE|TENSION|EXTEND|BITPIX|PCOUNT|GCOUNT|HECKSUM|DATASUM|QUANTIZ|DITHER0|SCALE|ZERO|BLANK|"
    r"MASKCMP|BLOCKED|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+)|FZ[A-Z0-9]+|"
    r"CHECKSUM|DATASUM|DATAMIN|DATAMAX|EXTNAME|EXTVER|EXTLEVEL|INHERIT"
)


def provenance_cards(
    *,
    software_version: str,
    operation: str,
    operation_version: str,
    parameters: Mapping[str, object],
    inputs: Sequence[tuple[str, str]],
    result_key: str,
    comment: str,
    notes: Sequence[str] = (),
) -> list[fits.Card]:
    """Return the cards that tell how a product was made.

    HISTORY holds, for each input, its name on `input` cards and its checksum on a `sha256` card, then the parameters
    as JSON on `json` cards, and each note on `note` cards; texts too long for a card go on in the next one with the
    same label, but for notes, which go on in `note +` cards. Characters that FITS does not allow are written as
    backslash escapes.

    Args:
        software_version: of Datalab.
        operation: its name.
        operation_version: of its algorithm.
        parameters: values of strict JSON.
        inputs: (basename, SHA-256 in hexadecimal) of every input, in the order used.
        result_key: the key the product is stored under.
        comment: the sentence for readers, such as "Datalab Median on fits_1, fits_2".
        notes: what was left out, mended or is doubtful, also of the inputs: a sentence each.

    Raises:
        TypeError, ValueError: the parameters cannot be written as JSON.
    """
    cards = [
        fits.Card("DLAB_KEY", _printable(result_key)),
        fits.Card("DLABVER", _printable(software_version)),
        fits.Card("DLABOP", _printable(operation)),
        fits.Card("DLABOPV", _printable(operation_version)),
        fits.Card("DLABNIN", len(inputs), "number of inputs"),
    ]
    for name, checksum in inputs:
        cards += _commentary("HISTORY", name, label="input ")
        cards += _commentary("HISTORY", checksum, label="sha256 ")
    as_json = json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)
    cards += _commentary("HISTORY", as_json, label="json ")
    for note in notes:
        for number, part in enumerate(_parts(_printable(note), COMMENTARY_LENGTH - len(_NOTE_GOES_ON))):
            cards.append(fits.Card("HISTORY", (_NOTE_GOES_ON if number else _NOTE) + part))
    cards += _commentary("COMMENT", comment)
    return cards


def output_records(reference: fits.Header, shape: tuple[int, int], *, own: Sequence[fits.Card] = ()) -> list[str]:
    """Return the header of an image made from the one `reference` describes, named SCI: a text for each card.

    It keeps every card but those on storage, checksums and extremes. Cards that are not as the standard wants them are
    written anew with what is read of them, letters beyond ASCII as backslash escapes; those without a value that can be
    read are left out. Of a keyword that comes twice the last card counts that is not empty. The WCS stays valid for an
    image cropped from pixel [0, 0]; regions in pixel numbers are kept only if nothing is cropped.

    Args:
        reference: of the input's science image; not modified.
        shape: (rows, columns) of the new image.
        own: cards of the new image, each instead of those of the same keyword.

    Returns:
        Texts of 80 columns, or a multiple of that where a long text goes on.
    """
    is_cropped = shape[::-1] != image_axes(reference)
    kept: dict[str | int, str] = {"EXTNAME": _NAME, **{card.keyword: str(card) for card in own}}
    given = set(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)  # astropy tells what it mended
        for number, card in enumerate(reference.cards):
            keyword = card.keyword
            if keyword in given or _STORAGE.fullmatch(keyword) or (is_cropped and PIXEL_REGION.fullmatch(keyword)):
                continue
            if keyword in kept and keyword not in COMMENTARY and is_empty(value_of(card)):
                continue
            try:
                kept[number if keyword in COMMENTARY else keyword] = _record(card)
            except UNREADABLE_CARD:
                continue
    return list(kept.values())


def _record(card: fits.Card) -> str:
    """Return the text of a card as a strict writer has it; number formats stay as they are where they can.

    Raises what is in `UNREADABLE_CARD`.
    """
    text = None if card._modified else card._image  # noqa: SLF001 - asked for `image`, each card takes 10 microseconds
    if text is not None and _STRICT.fullmatch(text):
        return str(text)
    if text is not None:
        anew = _as_it_is_read(text)
        if anew is not None:
            return str(anew)
    mended = copy.copy(card)
    mended.verify("silentfix")
    keyword = mended.image[:8]
    if keyword != keyword.upper():  # the one fault that astropy reports but does not mend
        mended = fits.Card(mended.keyword, mended.value, mended.comment)
    return str(mended)


def _as_it_is_read(text: str) -> fits.Card | None:
    """Return a card with the value that our grammar reads from a text, None if the standard has nothing against it.

    Raises `ValueError` if there is no value.
    """
    if len(text) > CARD_LENGTH or text[:8].rstrip() in COMMENTARY:
        return None
    read = read_card(text)
    if read.remark is None:
        return None
    if read.value is None:
        raise ValueError(read.remark)
    return fits.Card(read.keyword, _printable(read.value) if isinstance(read.value, str) else read.value)


def _commentary(keyword: str, text: str, *, label: str = "") -> list[fits.Card]:
    """Return cards that hold a text; joining what follows their labels gives it back, escaped."""
    return [fits.Card(keyword, label + part) for part in _parts(_printable(text), COMMENTARY_LENGTH - len(label))]


def _parts(text: str, length: int) -> Iterator[str]:
    """Cut a text so that no part but the last ends with a blank, which FITS would drop.

    A second blank in a row is escaped, so that there always is such a cut.
    """
    rest = text.replace("  ", r" \u0020")
    while len(rest) > length:
        end = length - 1 if rest[length - 1] == " " else length
        yield rest[:end]
        rest = rest[end:]
    if rest:
        yield rest


def _printable(text: str) -> str:
    """Escape everything outside the ASCII characters that FITS allows in text."""
    return "".join(char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text)
