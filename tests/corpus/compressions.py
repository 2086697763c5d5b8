"""Packed images: all codecs of the standard on all types they take, and files packed as a whole.

FITS 4.0, section 10. What is packed is written by astropy from pixels that are known, so that nothing of ours is asked.
"""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from astropy.io import fits

from corpus.building import ORDINARY, extension, primary
from corpus.model import PIXELS, File, right

_STANDARD = "FITS 4.0, section 10"
_SHAPE = (24, 20)
_GENERATOR = np.random.default_rng(20260504)
_SKY = _GENERATOR.normal(1000.0, 12.0, _SHAPE)
_SKY[10:13, 8:11] += 3000.0
#: Steps of a quarter of the noise.
_QUANTIZE_LEVEL = 4.0

_AS = {
    "uint8": np.clip(_SKY / 20, 0, 255).astype(np.uint8),
    "int16": (_SKY - 20000).astype(np.int16),
    "uint16": (_SKY + 40000).astype(np.uint16),
    "int32": (_SKY * 1000 - 3_000_000).astype(np.int32),
    "uint32": (_SKY * 1000 + 3_000_000_000).astype(np.uint32),
    "float32": _SKY.astype(np.float32),
    "float64": _SKY,
}


def _holed() -> np.ndarray:
    pixels = _SKY.astype(np.float32)
    pixels[3, 4], pixels[5] = np.nan, np.nan
    return pixels


def _packed(
    pixels: np.ndarray, extension_name: str | None = "SCI", header: Any = None, **options: Any
) -> Callable[[], bytes]:
    def build() -> bytes:
        named = {} if extension_name is None else {"name": extension_name}
        image = fits.CompImageHDU(pixels, fits.Header(list({**ORDINARY, **(header or {})}.items())), **named, **options)
        return written(fits.PrimaryHDU(), image)

    return build


def written(*hdus: Any) -> bytes:
    """Return a file as astropy writes it, the same each time: gzipped tiles have the time in them otherwise."""
    buffer = io.BytesIO()
    with patch.object(gzip, "time", SimpleNamespace(time=lambda: 0.0)):
        fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def _fz(
    name: str, pixels: np.ndarray, right_pixels: np.ndarray | None = None, within: float = 0.0, **options: Any
) -> File:
    return File(
        name=f"{name}.fits.fz",
        build=_packed(pixels, **options),
        right=right(
            shape=pixels.shape,
            pixels=pixels if right_pixels is None else right_pixels,
            pixels_within=within,
            source=_STANDARD,
        ),
    )


_TAKES = {
    "RICE_1": ("uint8", "int16", "uint16", "int32", "uint32"),
    "GZIP_1": ("uint8", "int16", "uint16", "int32", "uint32"),
    "GZIP_2": ("uint8", "int16", "uint16", "int32", "uint32"),
    "HCOMPRESS_1": ("uint8", "int16", "uint16", "int32"),
}

WHOLE_NUMBERS = [
    _fz(f"{codec.lower().replace('_', '')}-{kind}", _AS[kind], compression_type=codec)
    for codec, kinds in _TAKES.items()
    for kind in kinds
] + [
    _fz("plio1-int16", np.clip(_SKY, 0, 4000).astype(np.int16), compression_type="PLIO_1"),
    _fz("plio1-mask-of-int32", (_SKY > 1010).astype(np.int32), compression_type="PLIO_1"),
    _fz("nocompress-int16", _AS["int16"], compression_type="NOCOMPRESS"),
]

TILES = [
    _fz("rice-tiles-of-eight-rows", _AS["uint16"], compression_type="RICE_1", tile_shape=(8, 20)),
    _fz("rice-one-tile", _AS["uint16"], compression_type="RICE_1", tile_shape=_SHAPE),
    _fz("rice-tiles-that-do-not-fit", _AS["int16"], compression_type="RICE_1", tile_shape=(7, 6)),
    _fz("gzip-columns", _AS["int32"], compression_type="GZIP_2", tile_shape=(24, 1)),
    _fz("hcompress-one-tile", _AS["int16"], compression_type="HCOMPRESS_1", tile_shape=_SHAPE),
    _fz("rice-unnamed", _AS["uint16"], compression_type="RICE_1", extension_name=None),
]


def _quantized(name: str, pixels: np.ndarray, **options: Any) -> File:
    """Return a file of which a pixel is off by half a step (ZSCALE) at most: FITS 4.0, section 10.2."""
    options["quantize_level"] = _QUANTIZE_LEVEL
    with fits.open(io.BytesIO(_packed(pixels, **options)()), disable_image_compression=True) as hdus:
        half_step = float(np.max(hdus[1].data["ZSCALE"])) / 2
    return _fz(name, pixels, within=half_step + 1e-3, **options)  # of single precision at 4000


FRACTIONS = [
    _fz("gzip1-float32-lossless", _AS["float32"], compression_type="GZIP_1", quantize_level=0.0),
    _fz("gzip2-float32-lossless", _AS["float32"], compression_type="GZIP_2", quantize_level=0.0),
    _fz("gzip2-float64-lossless", _AS["float64"], compression_type="GZIP_2", quantize_level=0.0),
    _fz("gzip2-float32-nans-lossless", _holed(), compression_type="GZIP_2", quantize_level=0.0),
    _quantized("rice-float32-no-dither", _AS["float32"], compression_type="RICE_1", quantize_method=-1),
    _quantized("rice-float32-dither-1", _AS["float32"], compression_type="RICE_1", quantize_method=1, dither_seed=7),
    _quantized("rice-float32-dither-2", _AS["float32"], compression_type="RICE_1", quantize_method=2, dither_seed=7),
    _quantized("rice-float64-dither-1", _AS["float64"], compression_type="RICE_1", quantize_method=1, dither_seed=7),
    _quantized("gzip-float32-dither-1", _AS["float32"], compression_type="GZIP_1", quantize_method=1, dither_seed=7),
    _quantized("rice-float32-nans", _holed(), compression_type="RICE_1", quantize_method=1, dither_seed=7),
    _quantized(
        "hcompress-float32",
        _AS["float32"],
        compression_type="HCOMPRESS_1",
        quantize_method=1,
        dither_seed=7,
        tile_shape=_SHAPE,
    ),
]


def _whole(name: str, build: Callable[[], bytes], found: Any = None) -> File:
    return File(name=name, build=build, right=right(source="RFC 1952") if found is None else found)


def _blank_shorts() -> bytes:
    stored = PIXELS.copy()
    stored[0, 0] = -1
    return primary({}, stored, BZERO=32768, BLANK=-1)


_BLANK_TRUTH = PIXELS + 32768.0
_BLANK_TRUTH[0, 0] = np.nan

WHOLE_FILES = [
    _whole("gzipped.fits.gz", lambda: gzip.compress(primary({}), mtime=0)),
    _whole("gzipped-in-two-members.fits.gz", lambda: _in_two_members(primary({}))),
    _whole("gzipped-extension.fits.gz", lambda: gzip.compress(primary({}, None) + extension("SCI"), mtime=0)),
    _whole("gzipped-blank.fits.gz", lambda: gzip.compress(_blank_shorts(), mtime=0), right(pixels=_BLANK_TRUTH)),
    _whole("bzipped.fits.bz2", lambda: bz2.compress(primary({})), right(source="bzip2")),
    _whole("bzipped-extension.fits.bz2", lambda: bz2.compress(primary({}, None) + extension("SCI")), right()),
]


def _in_two_members(content: bytes) -> bytes:
    return gzip.compress(content[:3000], mtime=0) + gzip.compress(content[3000:], mtime=0)


_BLANK_STORED = PIXELS.copy()
_BLANK_STORED[1, 2] = -1
_BLANK_PHYSICAL = np.where(_BLANK_STORED == -1, np.nan, _BLANK_STORED)
FURTHER = [
    File(
        name="rice1-int16-blank.fits.fz",
        build=_packed(_BLANK_STORED, header={"BLANK": -1}, compression_type="RICE_1"),
        right=right(shape=PIXELS.shape, pixels=_BLANK_PHYSICAL, source="FITS 4.0, section 10.1: BLANK, ZBLANK"),
    ),
]

FILES = [*WHOLE_NUMBERS, *TILES, *FRACTIONS, *WHOLE_FILES, *FURTHER]
