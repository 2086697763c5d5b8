"""The stops of the tour: for each operation what only somebody knows who has seen the sky, and its runs.

Everything else comes from the operation's own description.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from datalab.simulation.sky import mjd_of
from support.tour_form import Form
from support.tour_outputs import opened_outputs
from support.tour_sky import ASTEROID, CENTRE, VARIABLE

#: The side of the picture that limits are chosen on, as the wizard's scaling page asks for it.
_SCALING_SIDE = 700


def _items(frames):
    return [frame.session_item() for frame in frames]


def source_of(star):
    return {"name": star.name, "ra": star.ra_deg, "dec": star.dec_deg}


def cluster():
    return {"name": "Tour cluster", "ra": float(CENTRE.ra.deg), "dec": float(CENTRE.dec.deg)}


def asteroid_text(archive):
    """Return where the asteroid was in the first and the last frame, as a user types it."""
    frames = archive.of("asteroid")
    middles = [frame.truth.mid_exposure for frame in (frames[0], frames[-1])]
    return "; ".join("{:.6f} {:.6f} {:.6f}".format(*ASTEROID.position_at(time), mjd_of(time)) for time in middles)


def _red(archive):
    return archive.of("asteroid", "colours", filter_name="rp")


def _calibration_frames(archive, kind):
    """What is combined to a master of a kind, and what has to be subtracted before."""
    bias, dark = (_items(archive.of(other)[:1]) for other in ("bias", "dark"))
    return {"input_files": _items(archive.of(kind))} | {
        "bias": {},
        "dark": {"bias_file": bias},
        "flat": {"bias_file": bias, "dark_file": dark},
    }[kind]


@dataclass(frozen=True)
class Stop:
    """Which frames are in the session, and `known`: the inputs only a user knows, from archive and chosen options."""

    groups: tuple[str, ...] = ("asteroid", "colours")
    known: object = lambda archive, options: {}


STOPS = {
    "Alignment": Stop(known=lambda archive, _: {"input_files": _items(_red(archive)[::5])}),
    "Aperture Photometry": Stop(known=lambda *_: {"source": source_of(VARIABLE)}),
    "Calibration": Stop(
        groups=("raw", "bias", "dark", "flat"),
        known=lambda archive, _: {
            "input_files": _items(archive.of("raw")),
            "bias_file": _items(archive.of("bias")[:1]),
            "dark_file": _items(archive.of("dark")[:1]),
            "flat_file": _items(archive.of("flat")[:1]),
        },
    ),
    "Color Image": Stop(groups=("colours",)),
    "Cosmic Ray Removal": Stop(known=lambda archive, _: {"input_files": _items(_red(archive)[:2])}),
    "Cropping": Stop(
        known=lambda archive, _: {
            "input_files": _items(_red(archive)[:2]),
            "x_start": 151,
            "y_start": 121,
            "width": 96.0,
            "height": 84.0,
        }
    ),
    "HR Diagram": Stop(groups=("colours",), known=lambda *_: {"cluster": cluster()}),
    "Light Curve": Stop(known=lambda *_: {"source": source_of(VARIABLE)}),
    "Master Frame": Stop(
        groups=("raw", "bias", "dark", "flat"),
        known=lambda archive, options: _calibration_frames(archive, options.get("kind", "bias")),
    ),
    "Median": Stop(known=lambda archive, _: {"input_files": _items(archive.of("asteroid")[:3])}),
    "Moving Target Aperture Photometry": Stop(
        groups=("asteroid",), known=lambda archive, _: {"target_positions": asteroid_text(archive)}
    ),
    "Non-Sidereal Aperture Photometry": Stop(groups=("asteroid",)),
    "Normalization": Stop(known=lambda archive, _: {"input_files": _items(archive.of("colours", filter_name="gp"))}),
    "Pixel Arithmetic": Stop(
        known=lambda archive, _: {"a": _items(_red(archive)[:2]), "b": _items(_red(archive)[2:3])}
    ),
    "Plate Solving": Stop(known=lambda archive, _: {"input_files": _items(_red(archive)[:1])}),
    "Source Extraction": Stop(known=lambda archive, _: {"input_files": _items(_red(archive)[:1])}),
    "Stacking": Stop(known=lambda archive, _: {"input_files": _items(archive.of("asteroid")[:4])}),
    "Subtraction": Stop(
        known=lambda archive, _: {
            "input_files": _items(archive.of("asteroid")[:2]),
            "subtraction_file": _items(archive.of("asteroid")[-1:]),
        }
    ),
    "Variable Star": Stop(known=lambda *_: {"source": source_of(VARIABLE)}),
}


@dataclass
class Run:
    """One operation started through the form; `operation` is how it ended, `outputs` what it made, checked."""

    name: str
    options: dict
    session: int
    number: int
    operation: dict = field(default_factory=dict)
    outputs: list = field(default_factory=list)

    @property
    def inputs(self):
        return self.operation["input_data"]

    @property
    def data(self):
        """The only data item."""
        (item,) = self.operation["output"]["output_data"]
        return item

    def __str__(self):
        return f"{self.name} {self.options or ''} ({self.operation['status']}: {self.operation['message']})"


class Journey:
    """All runs of all operations there are, each select of a form tried with each of its options."""

    def __init__(self, tour):
        self.tour = tour
        self.checksums = {frame.basename: frame.sha256 for frame in tour.archive.frames}
        self.descriptions = {}
        self._sessions = {}
        self._runs = defaultdict(list)

    async def run(self):
        """Start everything at once, as impatient users do, and wait until the feed has told the end of all."""
        client = self.tour.alice
        self.descriptions = await client.get("available_operations/")
        known = {name: described for name, described in self.descriptions.items() if name in STOPS}
        for groups in {STOPS[name].groups for name in known}:
            items = _items(self.tour.archive.of(*groups))
            self._sessions[groups] = await client.new_session(" ".join(groups), items)
        async with client.waiting_for_all(self._sessions.values()) as started:
            for name, described in known.items():
                for options in _options(described):
                    run = await self._start(name, described, options)
                    started.append(run.number)
                    self._runs[name].append(run)
        await asyncio.gather(*(self._read(run) for runs in self._runs.values() for run in runs))

    async def completed(self, name):
        """Return the runs of an operation, their outputs opened and checked."""
        runs = self._runs[name]
        assert [str(run) for run in runs if run.operation["status"] != "COMPLETED"] == []
        for run in runs:
            if not run.outputs:
                run.outputs = await opened_outputs(self.tour.alice, run.operation, self.checksums)
        return runs

    async def _start(self, name, described, options):
        stop = STOPS[name]
        session = self._sessions[stop.groups]
        form = Form(described, _items(self.tour.archive.of(*stop.groups)))
        form.fill(**options, **stop.known(self.tour.archive, options))
        for key in form.missing():
            if described["inputs"][key]["type"] == "string":
                form.fill(**{key: form.example(key)})
        for key, wanted in described["inputs"].items():
            if wanted.get("color_picker"):
                await self._choose_limits(form, key)
        number = await self.tour.alice.start(session, name, form.posted())
        return Run(name, options, session, number)

    async def _choose_limits(self, form, key):
        """Give up colours without an image, and take the limits that the scaling page suggests."""
        form.values[key] = [channel for channel in form.values[key] if "basename" in channel]
        for channel in form.values[key]:
            raw = await self.tour.alice.analyse(
                "raw-data", basename=channel["basename"], source=channel["source"], max_size=_SCALING_SIDE
            )
            channel |= {"zmin": raw["zmin"], "zmax": raw["zmax"]}

    async def _read(self, run):
        run.operation = await self.tour.alice.operation(run.session, run.number)


def _options(described):
    """Yield what is chosen from lists: nothing but defaults, then each further option once."""
    yield {}
    for key, wanted in described["inputs"].items():
        if wanted["type"] == "select":
            default = wanted.get("default", wanted["options"][0])
            yield from ({key: option} for option in wanted["options"] if option != default)
