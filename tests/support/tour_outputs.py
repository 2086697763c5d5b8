"""What must hold for every output, whatever made it."""

import io
import itertools
import json
import warnings
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from PIL import Image as Picture

from support.tour_sky import BEACON, SCALE_ARCSEC, sha256

_LINKS = {
    "fits": {"large_url", "small_url", "fits_url"},
    "image": {"large_url", "small_url", "fits_url", "tif_url"},
}
_SMALL_SIDE_PX = 200
#: What existing clients draw a picture from that is not square.
_LEAST_SIDE_PX = 1024
#: Half of the box that a star is looked for in.
_BOX_PX = 4


@dataclass
class FitsOutput:
    """One FITS output, opened."""

    item: dict
    sha256: str
    primary: fits.Header
    header: fits.Header
    pixels: np.ndarray
    catalogue: Table | None
    extensions: dict[str, np.ndarray]

    @property
    def basename(self):
        return self.item["basename"]

    @property
    def wcs(self):
        return WCS(self.header, naxis=2)

    @property
    def comment(self):
        """The sentence for readers."""
        return "".join(str(line) for line in self.primary["COMMENT"])

    def star_offset_px(self, star=BEACON):
        """Return how far the light of a star is from where the world coordinates say, in pixels (x, y)."""
        x, y = self.wcs.world_to_pixel(SkyCoord(star.ra_deg, star.dec_deg, unit="deg"))
        column, row = round(float(x)), round(float(y))
        box = self.pixels[row - _BOX_PX : row + _BOX_PX + 1, column - _BOX_PX : column + _BOX_PX + 1].astype(float)
        light = np.clip(box - np.nanmedian(box), 0.0, None)
        rows, columns = np.mgrid[-_BOX_PX : _BOX_PX + 1, -_BOX_PX : _BOX_PX + 1]
        return (
            float(np.nansum(columns * light) / np.nansum(light)) + column - float(x),
            float(np.nansum(rows * light) / np.nansum(light)) + row - float(y),
        )


async def opened_outputs(client, operation, checksums):
    """Check what every finished operation promises, and return its FITS outputs.

    `checksums` holds the SHA-256 of every input by basename; the outputs' own are added.
    """
    assert operation["status"] == "COMPLETED", operation["message"]
    assert operation["operation_progress"] == 1.0
    items = operation["output"]["output_files"]
    return [await _opened(client, operation, item, checksums) for item in items]


async def _opened(client, operation, item, checksums):
    assert item["source"] == "datalab"
    assert isinstance(item.get("filter", ""), str)
    assert item["id"] > 10**12
    assert datetime.fromisoformat(item["observation_date"]).tzinfo is not None
    assert {key for key in item if key.endswith("_url")} == _LINKS[item["type"]]
    await _check_pictures(client, item)
    content = await client.download(item["fits_url"])
    checksums[item["basename"]] = sha256(content)
    output = _read(item, content)
    _check_provenance(output, operation, checksums)
    return output


async def _check_pictures(client, item):
    large = Picture.open(io.BytesIO(await client.download(item["large_url"])))
    small = Picture.open(io.BytesIO(await client.download(item["small_url"])))
    assert (large.format, large.mode, small.format) == ("JPEG", "RGB", "JPEG")
    assert max(small.size) <= _SMALL_SIDE_PX
    assert large.width == large.height or min(large.size) >= _LEAST_SIDE_PX or max(large.size) > 10 * _LEAST_SIDE_PX
    (width, height), (small_width, small_height) = large.size, small.size
    assert abs(small_width * height - small_height * width) <= max(large.size), "the small picture is distorted"
    assert np.ptp(np.asarray(large)) > 0, "the picture shows nothing"
    if "tif_url" in item:
        tif = Picture.open(io.BytesIO(await client.download(item["tif_url"])))
        assert (tif.format, tif.mode) == ("TIFF", "RGB")
        assert tif.size[0] * large.size[1] == tif.size[1] * large.size[0]


def _read(item, content):
    """Read a FITS file; any complaint of astropy is an error, also about checksums."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(io.BytesIO(content), checksum=True) as hdus:
            hdus.verify("exception")
            assert all({"CHECKSUM", "DATASUM"} <= set(hdu.header) for hdu in hdus)
            named = {hdu.name: hdu for hdu in hdus[1:]}
            science = named.pop("SCI")
            catalogue = named.pop("CAT", None)
            return FitsOutput(
                item=item,
                sha256=sha256(content),
                primary=hdus[0].header.copy(),
                header=science.header.copy(),
                pixels=np.array(science.data),
                catalogue=None if catalogue is None else Table(catalogue.data),
                extensions={name: np.array(hdu.data) for name, hdu in named.items()},
            )


def _check_provenance(output, operation, checksums):
    """The primary header names the operation and every input with its checksum, and says how they were used."""
    primary = output.primary
    assert primary["DLABOP"] == operation["name"]
    assert len(primary["DLAB_KEY"]) == 64
    assert primary["DLABVER"]
    told = _told(primary)
    used = {item["basename"]: checksums[item["basename"]] for item in input_files(operation)}
    if len(operation["output"]["output_files"]) > 1:  # each made of some of them, which its comment names
        used = {name: checksum for name, checksum in used.items() if name in output.comment}
    assert used
    assert dict(zip(told["input"], told["sha256"], strict=True)) == used
    assert primary["DLABNIN"] == len(told["input"])
    assert isinstance(json.loads("".join(told["json"])), dict)
    assert output.comment.startswith(f"Datalab {operation['name']}")


def _told(primary):
    """Return what HISTORY tells, by label; texts too long for a card go on in the next one."""
    told = {"input": [], "sha256": [], "json": [], "note": []}
    cards = [str(line).partition(" ") for line in primary["HISTORY"]]
    for label, parts in itertools.groupby(cards, key=lambda card: card[0]):
        told[label].append("".join(text for _, _, text in parts))
    return told


def input_files(operation):
    """Return the files in the inputs of an operation."""
    lists = (value for value in operation["input_data"].values() if isinstance(value, list))
    return [item for items in lists for item in items if isinstance(item, dict) and "basename" in item]


def check_catalogue(output, *, at_least=10):
    """The catalogue came along: inside the image, and its two kinds of positions agree."""
    table = output.catalogue
    assert len(table) >= at_least
    rows, columns = output.pixels.shape
    assert np.all((table["x"] >= 0.5) & (table["x"] <= columns + 0.5))
    assert np.all((table["y"] >= 0.5) & (table["y"] <= rows + 0.5))
    there = output.wcs.pixel_to_world(table["xwin"] - 1, table["ywin"] - 1)
    apart = there.separation(SkyCoord(table["ra"], table["dec"], unit="deg")).arcsec
    assert np.median(apart) < 0.1 * SCALE_ARCSEC
    assert np.max(apart) < SCALE_ARCSEC
