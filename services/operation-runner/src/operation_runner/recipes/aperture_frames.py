"""The usable frames of an aperture light curve, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar, overload

import numpy as np
from astropy.wcs import WCS

from datalab.astro.headers.detector import Detector
from datalab.astro.headers.exposure_times import JD_OF_MJD_ZERO, midpoint, modified_julian_date
from datalab.astro.photometry.aperture_geometry import ApertureGeometry, Radii
from datalab.astro.photometry.comparison_stars import CatalogueSources
from operation_runner.recipes.shown_frames import filters_alike, skipped
from operation_runner.sdk import FitsFile, Image, Inputs, Progress, UsageError

Result = TypeVar("Result")

_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureTimes:
    """When a frame was taken, UTC; `exposure_s` is 0 where the header gives none to be used."""

    start: datetime
    exposure_s: float
    midpoint_mjd: float

    @classmethod
    def of(cls, image: Image) -> ExposureTimes:
        """Read the header. Raises `ValueError` if it does not say when the exposure began."""
        start, middle = image.description.capture_time, midpoint(image.description)
        if start is None or middle is None:
            raise ValueError("it has no usable DATE-OBS")
        return cls(
            start=start,
            exposure_s=image.description.exposure_time_s or 0.0,
            midpoint_mjd=modified_julian_date(middle),
        )

    @property
    def midpoint_jd(self) -> float:
        """The Julian date, UTC."""
        return self.midpoint_mjd + JD_OF_MJD_ZERO

    @property
    def end_mjd(self) -> float:
        return self.midpoint_mjd + self.exposure_s / 2.0 / _SECONDS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One usable frame."""

    image: Image
    times: ExposureTimes
    radii_arcsec: Radii

    @property
    def basename(self) -> str:
        return self.image.basename

    @property
    def midpoint_mjd(self) -> float:
        return self.times.midpoint_mjd

    def detector(self) -> Detector:
        """Return the detector; pixels of whole numbers are saturated at the largest there is, if not before."""
        detector, dtype = Detector.of(self.image.header), self.image.dtype
        if dtype.kind not in "iu":
            return detector
        return replace(detector, saturation_adu=min(detector.saturation_adu, float(np.iinfo(dtype).max)))

    def geometry(self) -> ApertureGeometry:
        """Return WCS and radii in pixels, read anew: a thousand of them would fill the memory."""
        return ApertureGeometry.of(self.image.header, self.image.shape, self.radii_arcsec)

    def wcs(self) -> WCS:
        """Return the celestial WCS, read anew."""
        return self.geometry().wcs

    def sources(self) -> CatalogueSources:
        """Return the catalogue's sources, read from disk."""
        return CatalogueSources.of(self.image.catalogue())


class Frames(Sequence[Frame]):
    """Usable frames in order of time."""

    def __init__(self, frames: Sequence[Frame], *, inputs: Inputs, progress: Progress) -> None:
        self._frames = frames
        self._inputs = inputs
        self._progress = progress

    @overload
    def __getitem__(self, index: int) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...

    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        return self._frames[index]

    def __len__(self) -> int:
        return len(self._frames)

    def only(self, numbers: Sequence[int]) -> Frames:
        """Return some of the frames."""
        return Frames([self._frames[number] for number in numbers], inputs=self._inputs, progress=self._progress)

    def from_catalogues(self, function: Callable[[Frame, CatalogueSources], Result]) -> Iterator[Result]:
        """Yield what `function` finds in each frame's catalogue, side by side on all cores; it must be small."""

        def call(frame: Frame) -> Result:
            return function(frame, frame.sources())

        return self._inputs.parallel(call, self._frames, progress=self._progress)


def open_images(inputs: Inputs, files: Sequence[FitsFile], *, progress: Progress) -> tuple[list[Image], list[str]]:
    """Open every image that can be; return them and what is wrong with the others."""
    images: list[Image] = []
    problems: list[str] = []
    for number, file in enumerate(files, start=1):
        try:
            images.append(inputs.image(file))
        except UsageError as error:
            problems.append(skipped(file.basename, error))
        progress(number / len(files))
    return images, problems


def usable_frames(
    inputs: Inputs, images: Sequence[Image], radii_arcsec: Radii, *, progress: Progress
) -> tuple[list[Frame], list[str]]:
    """Return the frames that can be measured, in order of time, and what is wrong with the others."""
    frames: list[Frame] = []
    problems: list[str] = []
    checks = inputs.parallel(partial(_checked, radii_arcsec), images, progress=progress)
    for image, found in zip(images, checks, strict=True):
        if isinstance(found, ExposureTimes):
            frames.append(Frame(image=image, times=found, radii_arcsec=radii_arcsec))
        else:
            problems.append(found)
    return sorted(frames, key=lambda frame: (frame.times.start, frame.basename)), problems


def one_filter(frames: Sequence[Frame], operation: str) -> list[str]:
    """Return a remark on frames whose filter is not known.

    Raises:
        UsageError: there are several filters: their magnitudes cannot be compared.
    """
    return filters_alike([(frame.basename, frame.image.description.filter_name) for frame in frames], operation)


def _checked(radii_arcsec: Radii, image: Image) -> ExposureTimes | str:
    """Return the times of a frame, or why it cannot be used."""
    try:
        times = ExposureTimes.of(image)
        ApertureGeometry.of(image.header, image.shape, radii_arcsec)
        CatalogueSources.of(image.catalogue())
    except (UsageError, ValueError) as error:
        return skipped(image.basename, error)
    return times
