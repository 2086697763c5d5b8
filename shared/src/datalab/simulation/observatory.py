"""A simulated observatory: plans a night, takes its exposures, makes the files, sends and announces them."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

import numpy as np

from datalab.events.object_keys import data_key
from datalab.simulation.camera import (
    CalibrationType,
    Camera,
    Conditions,
    Exposure,
    Pointing,
    calibration_exposure,
    expose,
)
from datalab.simulation.frame_header import FrameIdentity, SmartStack
from datalab.simulation.products import FITS_SUFFIX, Compression, fits_bytes, header_text, jpeg_bytes
from datalab.simulation.site import Site, airmass_at
from datalab.simulation.sky import MovingObject, Sinusoid, Star, StarField, mjd_of

FileKind = Literal["header", "jpeg", "fits"]
PlayOrder = Literal["observatory", "shuffled"]

VARIABLE_STAR = "sim-variable"
MOVING_OBJECT = "sim-asteroid"
_FIELD_STREAM, _AIR_STREAM, _PIXEL_STREAM = 1, 2, 3
_SKYFLAT_EXPOSURE_S = 5.0
_DUSK_BEFORE_MIDNIGHT = timedelta(hours=6)
_SEEING_MEMORY, _SEEING_SPREAD = 0.9, 0.06  # step to step correlation and relative change of the seeing
_SEEING_AIRMASS_POWER = 0.6  # Kolmogorov turbulence: FWHM grows as airmass^(3/5)
_DRIFT_PX_PER_HOUR = 1.5  # an unguided but well aligned mount
_JITTER_PX = 0.3
_CLOUD_SPREAD = 0.01


class Uploader(Protocol):
    async def upload(self, key: str, content: bytes) -> None: ...


class Announcer(Protocol):
    async def announce(self, site: str, object_key: str, size_bytes: int, sha256: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class NightFile:
    """One file of an exposure, as it leaves the observatory."""

    object_name: str
    content: bytes
    kind: FileKind
    exposure: Exposure

    @property
    def object_key(self) -> str:
        return data_key(self.object_name)

    @property
    def base_name(self) -> str:
        return self.exposure.identity.base_name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class NightPlan:
    """What to observe. The science exposures are spread evenly around local midnight.

    The filters alternate. Calibrations (`n_calibrations` each of bias, dark and one flat series per filter) come
    first, at dusk. `cadence_s` None: one exposure after the other. `smart_stack_length` above 1 groups the frames of
    a filter. `target` names a source of the field; None leaves the target at the centre of the field.
    """

    evening: date = date(2026, 3, 14)
    n_exposures: int = 20
    filters: Sequence[str] = ("rp",)
    exposure_s: float = 60.0
    cadence_s: float | None = None
    n_calibrations: int = 0
    smart_stack_length: int = 1
    first_counter: int = 1
    target: str | None = None
    reduced: bool = True
    compression: Compression = "fpack"


@dataclass(frozen=True, kw_only=True)
class SimulatedObservatory:
    """A telescope with one camera; everything it makes follows from its settings and `seed`."""

    site: Site = field(default_factory=Site)
    instrument: str = "sq001ms"
    camera: Camera = field(default_factory=Camera)
    seed: int = 0
    median_seeing_arcsec: float = 2.0
    username: str = "Simulated Observer"
    user_id: str = "auth0simulatedobserver"
    proposal: str = "SIM2026A-001"

    def demonstration_field(self, evening: date, *, n_stars: int = 300) -> StarField:
        """A star field that culminates at local midnight, with a variable star and a moving object near its centre.

        The variable swings by 0.3 mag either way within 2.4 h; the object is south of the centre at midnight, moving at
        40 arcsec/h.
        """
        midnight = self.site.local_midnight(evening)
        ra_deg = self.site.sidereal_time_deg(midnight)
        dec_deg = max(-85.0, min(85.0, self.site.latitude_deg - 10.0))
        background = StarField.random(
            seed=self._seed(_FIELD_STREAM, evening.toordinal()),
            centre_ra_deg=ra_deg,
            centre_dec_deg=dec_deg,
            radius_deg=1.1 * self.camera.field_radius_deg,
            n_stars=n_stars,
        )
        variable = Star(
            name=VARIABLE_STAR,
            ra_deg=ra_deg,
            dec_deg=dec_deg + 0.2 * self.camera.field_radius_deg,
            magnitude=13.5,
            variability=Sinusoid(period_days=0.1, amplitude_mag=0.3, epoch_mjd=mjd_of(midnight)),
        )
        asteroid = MovingObject(
            name=MOVING_OBJECT,
            ra_deg=ra_deg,
            dec_deg=dec_deg - 0.1 * self.camera.field_radius_deg,
            epoch=midnight,
            ra_rate_arcsec_per_hour=36.0,
            dec_rate_arcsec_per_hour=-17.4,
            magnitude=15.0,
        )
        return background.including([variable, asteroid])

    def exposures(self, plan: NightPlan, star_field: StarField | None = None) -> Iterator[Exposure]:
        """Take the exposures of a night, one at a time.

        Raises ValueError if the field is below the horizon or does not contain the target.
        """
        star_field = star_field or self.demonstration_field(plan.evening)
        if plan.target is not None and plan.target not in star_field.source_names:
            raise ValueError(f"the field has no source named {plan.target}")
        counters = itertools.count(plan.first_counter)
        yield from self._calibrations(plan, counters)
        pointing = Pointing(ra_deg=star_field.centre_ra_deg, dec_deg=star_field.centre_dec_deg)
        times = list(self._start_times(plan))
        for index, (time, conditions) in enumerate(zip(times, self._air(plan, times, pointing), strict=True)):
            counter = next(counters)
            # Frames of one filter make a stack, also when filters alternate.
            in_filter, filter_index = divmod(index, len(plan.filters))
            stack, position = divmod(in_filter, plan.smart_stack_length)
            opening = times[stack * plan.smart_stack_length * len(plan.filters) + filter_index]
            identity = self._identity(plan, counter)
            yield expose(
                field=star_field,
                camera=self.camera,
                conditions=conditions,
                pointing=pointing,
                filter_name=plan.filters[filter_index],
                exposure_s=plan.exposure_s,
                time=time,
                seed=self._seed(_PIXEL_STREAM, counter),
                identity=replace(
                    identity,
                    object_name=plan.target or identity.object_name,
                    moving_target=any(mover.name == plan.target for mover in star_field.movers),
                    request_number=1 + in_filter,
                    smart_stack=self._smart_stack(plan, position, opening),
                ),
                reduced=plan.reduced,
            )

    def night(self, plan: NightPlan, star_field: StarField | None = None) -> Iterator[NightFile]:
        """The files of a night: of each exposure the header text, the JPEG and the FITS."""
        for exposure in self.exposures(plan, star_field):
            base = exposure.identity.base_name
            yield NightFile(
                object_name=f"{base}-EX00.txt", content=header_text(exposure), kind="header", exposure=exposure
            )
            yield NightFile(
                object_name=f"{base}-EX10.jpg", content=jpeg_bytes(exposure), kind="jpeg", exposure=exposure
            )
            yield NightFile(
                object_name=f"{base}-EX00{FITS_SUFFIX[plan.compression]}",
                content=fits_bytes(exposure, plan.compression),
                kind="fits",
                exposure=exposure,
            )

    def _calibrations(self, plan: NightPlan, counters: Iterator[int]) -> Iterator[Exposure]:
        time = _whole_milliseconds(self.site.local_midnight(plan.evening) - _DUSK_BEFORE_MIDNIGHT)
        series: list[tuple[CalibrationType, str, float]] = [("BIAS", "", 0.0), ("DARK", "", plan.exposure_s)]
        series += [("SKYFLAT", name, _SKYFLAT_EXPOSURE_S) for name in plan.filters]
        for kind, filter_name, exposure_s in series:
            for _ in range(plan.n_calibrations):
                counter = next(counters)
                yield calibration_exposure(
                    camera=self.camera,
                    kind=kind,
                    exposure_s=exposure_s,
                    time=time,
                    seed=self._seed(_PIXEL_STREAM, counter),
                    filter_name=filter_name,
                    identity=self._identity(plan, counter),
                )
                time += timedelta(seconds=exposure_s + self.camera.readout_s)

    def _start_times(self, plan: NightPlan) -> Iterator[datetime]:
        step = timedelta(seconds=plan.cadence_s or plan.exposure_s + self.camera.readout_s)
        first = self.site.local_midnight(plan.evening) - step * plan.n_exposures / 2
        return (_whole_milliseconds(first + step * i) for i in range(plan.n_exposures))

    def _air(self, plan: NightPlan, times: Sequence[datetime], pointing: Pointing) -> Iterator[Conditions]:
        """Conditions at mid-exposure: the true track of the field, wandering seeing, a drifting and jittery mount."""
        rng = np.random.default_rng(self._seed(_AIR_STREAM, plan.evening.toordinal()))
        drift_angle = rng.uniform(0.0, 2.0 * np.pi)
        drift_px_per_hour = _DRIFT_PX_PER_HOUR * np.array([np.cos(drift_angle), np.sin(drift_angle)])
        log_seeing = 0.0
        for time in times:
            altitude, azimuth = self.site.altitude_azimuth_deg(
                pointing.ra_deg, pointing.dec_deg, time + timedelta(seconds=plan.exposure_s / 2.0)
            )
            log_seeing = _SEEING_MEMORY * log_seeing + rng.normal(0.0, _SEEING_SPREAD)
            hours = (time - times[0]).total_seconds() / 3600.0
            drift = drift_px_per_hour * hours + rng.normal(0.0, _JITTER_PX, 2)
            yield Conditions(
                seeing_fwhm_arcsec=float(
                    self.median_seeing_arcsec * np.exp(log_seeing) * airmass_at(altitude) ** _SEEING_AIRMASS_POWER
                ),
                altitude_deg=altitude,
                azimuth_deg=azimuth,
                drift_px=(float(drift[0]), float(drift[1])),
                transparency=float(1.0 - abs(rng.normal(0.0, _CLOUD_SPREAD))),
            )

    def _identity(self, plan: NightPlan, counter: int) -> FrameIdentity:
        return FrameIdentity(
            site=self.site,
            instrument=self.instrument,
            day_obs=plan.evening,
            counter=counter,
            username=self.username,
            user_id=self.user_id,
            proposal=self.proposal,
            block_id=plan.evening.toordinal(),
        )

    def _smart_stack(self, plan: NightPlan, position: int, opening: datetime) -> SmartStack:
        if plan.smart_stack_length == 1:
            return SmartStack()
        local = opening + timedelta(hours=self.site.longitude_deg / 15.0)
        return SmartStack(identifier=f"{local:%d%m%y%H%M%S}", index=position, length=plan.smart_stack_length)

    def _seed(self, stream: int, item: int) -> int:
        return int(np.random.SeedSequence([self.seed, stream, item]).generate_state(1, np.uint64)[0])


async def play(
    night: Iterable[NightFile],
    *,
    uploader: Uploader,
    announcer: Announcer,
    order: PlayOrder = "observatory",
    shuffle_seed: int = 0,
    repeat_every: int = 0,
    interval_s: float = 0.0,
) -> int:
    """Send a night's files and announce each after its upload; returns the number of announcements.

    As at the observatories, header text and JPEG of an exposure travel side by side and the FITS follows;
    `interval_s` passes between exposures. `shuffled` sends all files of the night one by one in an order drawn from
    `shuffle_seed`. `repeat_every` n sends and announces every n-th file twice, as an uploader does that missed the
    answer. Frames are made in a thread, so that the event loop stays free. An error of uploader or announcer ends the
    play, in an ExceptionGroup.
    """
    sender = _Sender(uploader=uploader, announcer=announcer, repeat_every=repeat_every)
    batches = _by_exposure(night) if order == "observatory" else _shuffled(night, shuffle_seed)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        if interval_s > 0.0 and sender.announced > 0:
            await asyncio.sleep(interval_s)
        for side_by_side in batch:
            async with asyncio.TaskGroup() as sending:
                for file in side_by_side:
                    sending.create_task(sender.send(file))
    return sender.announced


class _Sender:
    def __init__(self, *, uploader: Uploader, announcer: Announcer, repeat_every: int) -> None:
        self._uploader = uploader
        self._announcer = announcer
        self._repeat_every = repeat_every
        self._files = 0
        self.announced = 0

    async def send(self, file: NightFile) -> None:
        self._files += 1
        twice = self._repeat_every > 0 and self._files % self._repeat_every == 0
        for _ in range(2 if twice else 1):
            await self._uploader.upload(file.object_key, file.content)
            await self._announcer.announce(
                file.exposure.identity.site.code, file.object_key, len(file.content), file.sha256
            )
            self.announced += 1


_Batch = Sequence[Sequence[NightFile]]


def _by_exposure(night: Iterable[NightFile]) -> Iterator[_Batch]:
    for _, files in itertools.groupby(night, key=lambda file: file.base_name):
        together = list(files)
        yield [
            [file for file in together if file.kind != "fits"],
            [file for file in together if file.kind == "fits"],
        ]


def _shuffled(night: Iterable[NightFile], seed: int) -> Iterator[_Batch]:
    files = list(night)
    for i in np.random.default_rng(seed).permutation(len(files)):
        yield [[files[i]]]


def _whole_milliseconds(time: datetime) -> datetime:
    """`DATE-OBS` has three decimals: exposures start on them, so that header and truth agree."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
