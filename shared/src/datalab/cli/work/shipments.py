"""What the demonstration sends: a simulated night, or the FITS files of a folder."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
from astropy.io import fits
from pydantic import JsonValue

from datalab.astro.headers.description import describe_header
from datalab.astro.pixels.geometry import common_shape
from datalab.cli.work.archive import fits_role, frame_name
from datalab.cli.work.demonstration import DemoFailedError
from datalab.cli.work.fits_folder import fits_files
from datalab.documents.file_names import parse_file_name
from datalab.errors import UsageError
from datalab.events.object_keys import data_key
from datalab.fits.image import FitsImage
from datalab.simulation.observatory import VARIABLE_STAR, NightFile, NightPlan, SimulatedObservatory, play

_SITE: Final = "demo"
#: The variable star goes through four tenths of its period, and the telescope drifts by less than the width of a star.
_NIGHT: Final = NightPlan(n_exposures=12, cadence_s=300.0)
#: Relative distance of neighbouring float32 numbers.
_FLOAT32_STEP: Final = 2.0**-23

#: Of the mountains of Arizona, where the simulated site is.
_TIME_ZONE: Final = "America/Phoenix"

Pixels = np.ndarray[Any, Any]


class Observatory(Protocol):
    """Uploads and announces, as those of `datalab.simulation.observatory` do."""

    async def upload(self, key: str, content: bytes) -> None: ...

    async def announce(self, site: str, object_key: str, size_bytes: int, sha256: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A FITS file that was, or will be, sent; `read` returns its content again."""

    key: str
    read: Callable[[], bytes]

    @property
    def basename(self) -> str:
        """The name of the frame it belongs to."""
        return frame_name(self.key)

    @property
    def role(self) -> str:
        """What it is in its frame."""
        return fits_role(self.key)


@dataclass(frozen=True, slots=True)
class Shipment:
    """Files to bring in. `send` sends all there are; `files` has those with pixels, at the latest when `send` is done.

    `skipped` says of each file of a folder that is not sent, why.
    """

    sites: frozenset[str]
    send: Callable[[Observatory], Coroutine[None, None, None]]
    files: dict[str, Sent] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def simulated_night() -> Shipment:
    """Return a night that is the same every time: sent again, it changes nothing."""
    observatory = SimulatedObservatory()
    files: dict[str, Sent] = {}

    def remembered() -> Iterator[NightFile]:
        for file in observatory.night(_NIGHT):
            if file.kind == "fits":
                files[file.object_key] = Sent(file.object_key, lambda content=file.content: content)  # type: ignore[misc]
            yield file

    async def send(link: Observatory) -> None:
        await play(remembered(), uploader=link, announcer=link)

    return Shipment(frozenset({observatory.site.code}), send, files)


def simulated_proposal() -> str:
    """Return the proposal of the simulated frames."""
    return SimulatedObservatory().proposal


def simulated_variable() -> tuple[float, float]:
    """Return where the variable star of the simulated night is: ICRS, in degrees."""
    field = SimulatedObservatory().demonstration_field(_NIGHT.evening)
    star = next(star for star in field.stars if star.name == VARIABLE_STAR)
    return star.ra_deg, star.dec_deg


def simulated_site() -> tuple[str, dict[str, JsonValue]]:
    """Return the code of the simulated site, and what it says of itself."""
    site = SimulatedObservatory().site
    return site.code, {
        "name": site.name,
        "wema_name": site.code,
        "latitude": site.latitude_deg,
        "longitude": site.longitude_deg,
        "elevation": site.elevation_m,
        "TZ_database_name": _TIME_ZONE,
    }


def from_folder(folder: Path) -> Shipment:
    """Return the FITS files of a folder. Raises `DemoFailedError` if there are none."""
    paths, skipped = fits_files(folder)

    async def send(link: Observatory) -> None:
        for path in paths:
            key, content = data_key(path.name), path.read_bytes()
            await link.upload(key, content)
            await link.announce(_site_of(path.name), key, len(content), hashlib.sha256(content).hexdigest())

    files = {data_key(path.name): Sent(data_key(path.name), path.read_bytes) for path in paths}
    return Shipment(frozenset(_site_of(path.name) for path in paths), send, files, skipped)


def groups_of(frames: Sequence[Sent]) -> dict[str, list[Sent]]:
    """Return the frames that belong together, in groups of two or more, by what they have in common."""
    by_role: dict[str, list[Sent]] = defaultdict(list)
    for frame in frames:
        by_role[_common(frame)].append(frame)
    return {role: group for role, group in by_role.items() if len(group) > 1}


def _common(frame: Sent) -> str:
    """Return what frames must share to be combined: kind of exposure, filter and size of the image.

    Where the header names no filter, the name without its running number stands for it.
    """
    header, pixels = _science(frame.read())
    described = describe_header(header)
    name = described.filter_name or re.sub(r"[-_]?\d+$", "", frame.basename)
    size = " x ".join(map(str, reversed(pixels.shape)))
    return ", ".join(part for part in (described.configuration_type, name, size) if part)


def difference_from_numpy(result: bytes, inputs: Sequence[bytes]) -> float:
    """Return the largest difference between a result and the median numpy computes, after checking what must hold.

    Raises `DemoFailedError`.
    """
    _, computed = _science(result)
    images = [_science(content)[1] for content in inputs]
    rows, columns = common_shape([image.shape for image in images])
    expected = np.nanmedian([image[:rows, :columns] for image in images], axis=0).astype(computed.dtype)
    expect(computed.shape == expected.shape, f"the result has shape {computed.shape}, expected {expected.shape}")
    expect(bool(np.array_equal(np.isnan(computed), np.isnan(expected))), "other pixels are blank than expected")
    difference = float(np.nanmax(np.abs(computed.astype(np.float64) - expected)))
    expect(difference <= _FLOAT32_STEP * float(np.nanmax(np.abs(expected))), f"the result is off by {difference}")
    return difference


def expect(holds: bool, otherwise: str) -> None:
    """Raise `DemoFailedError` with a text if something does not hold."""
    if not holds:
        raise DemoFailedError(otherwise)


def _site_of(name: str) -> str:
    """Return the site a file comes from: in its name, if that follows a naming rule."""
    try:
        return parse_file_name(name).site or _SITE
    except UsageError:
        return _SITE


def _science(content: bytes) -> tuple[fits.Header, Pixels]:
    with TemporaryDirectory(prefix="datalab-") as folder:
        path = Path(folder) / "image.fits"
        path.write_bytes(content)
        with closing(FitsImage("image", path, work_dir=Path(folder))) as image:
            return image.header, image.pixels()
