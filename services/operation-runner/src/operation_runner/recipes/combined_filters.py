"""The filters of what is made of several images."""

from __future__ import annotations

from collections.abc import Iterable

from astropy.io import fits

from operation_runner.sdk import Image


def with_filters(header: fits.Header, images: Iterable[Image]) -> fits.Header:
    """Return a header whose FILTER names those of all images, such as "gp+rp"; the same one if it does already."""
    found = (image.description.filter_name for image in images)
    names = list(dict.fromkeys(name for name in found if name))
    if len(names) < 2:
        return header
    combined = header.copy()
    combined["FILTER"] = ("+".join(names), "filters of the images combined")
    return combined
