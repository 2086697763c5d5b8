"""Every analysis of images with levels at the ends of their type, with infinities and without any level."""

import contextlib
import json
from functools import cache

import numpy as np
import orjson
import pytest
from astropy.io import fits

from datalab.errors import UsageError
from operation_runner.analysing.decoded_image import DecodedImage, decode
from operation_runner.analysing.worker import _plain
from operation_runner.offers.loaded import analyses_of
from operation_runner.operations.cosmic_ray_removal import CosmicRayRemoval
from operation_runner.sdk.analysis import Cutting, Glimpsing, Part, Rendering, Showing
from support.operations import run
from support.runner import WCS_CARDS, input_file, write_fits

SHAPE = (40, 50)
ACTIONS = analyses_of(("operation_runner.analysis",))
DISPLAY = {"width": 500, "height": 400}
PARAMETERS = {
    "statistics": [DISPLAY, {**DISPLAY, "x1": 50, "x2": 400, "y1": 20, "y2": 300}],
    "cutout": [{"x": 1, "y": 1, "width": 40, "height": 30, "format": kind} for kind in ("fits", "jpg")],
    "tile": [{"column": 0, "row": 0, "level": level} for level in (0, 1)],
    "raw-data": [{"max_size": 20}, {"max_size": 64}],
}


def sky(dtype="f8"):
    return np.random.default_rng(4).normal(1000, 20, SHAPE).astype(dtype)


def with_levels(dtype, *levels):
    pixels = sky(dtype)
    for number, level in enumerate(levels):
        pixels[20, 10 + number] = level
    return pixels


IMAGES = {
    "1e303": lambda: with_levels("f8", 1e303),
    "both ends": lambda: with_levels("f8", np.finfo("f8").max, -np.finfo("f8").max),
    "all at one end": lambda: np.full(SHAPE, np.finfo("f8").max),
    "from end to end": lambda: np.linspace(-1.7e308, 1.7e308, 2000).reshape(SHAPE),
    "tiny": lambda: sky() * 1e-310,
    "infinities": lambda: with_levels("f8", np.inf, -np.inf, np.nan),
    "all infinite": lambda: np.full(SHAPE, np.inf, "f4"),
    "nothing": lambda: np.full(SHAPE, np.nan, "f4"),
    "single precision": lambda: with_levels("f4", 3.4e38, -3.4e38),
    "from end to end in single precision": lambda: np.linspace(-3.4e38, 3.4e38, 2000).astype("f4").reshape(SHAPE),
    "largest integers": lambda: np.full(SHAPE, np.iinfo("u8").max, "u8"),
    "integers from end to end": lambda: np.linspace(-(2**63), 2**63 - 1025, 2000).astype("i8").reshape(SHAPE),
    "one pixel": lambda: np.array([[1e303]]),
    "one row": lambda: sky()[:1],
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extreme")

    @cache
    def opened(name):
        path = write_fits(folder / f"{name.replace(' ', '-')}.fits", IMAGES[name](), header=WCS_CARDS)
        decoded = folder / f"{path.stem}-decoded"
        file = input_file(path)
        decode(file, path, decoded, limit_bytes=10**9)
        return DecodedImage(file, decoded, path=path)

    return opened


def parameters_of(action):
    """Return parameters an action may be asked with: none, positions on the display, or what is listed."""
    if action.name in PARAMETERS:
        return PARAMETERS[action.name]
    names = action.Parameters.model_fields
    needed = {"x": 250, "y": 200, "x1": 50, "x2": 400, "y1": 20, "y2": 300, "radius": 60, **DISPLAY}
    given = {name: needed[name] for name in names if name in needed}
    return [given]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # as where analyses run
@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_analysis_answers_or_says_why_not(images, tmp_path, action, name):
    image, analysis = images(name), ACTIONS[action]
    for given in parameters_of(analysis):
        parameters = analysis.Parameters.model_validate(given)
        with contextlib.suppress(UsageError):
            if isinstance(analysis, Rendering):
                analysis.render(image, parameters, tmp_path / "target")
            elif isinstance(analysis, Cutting):
                analysis.cut(image, parameters)
            elif isinstance(analysis, Showing):
                analysis.show(image, parameters)
            else:
                is_glimpse = isinstance(analysis, Glimpsing)
                answer = (analysis.glimpse if is_glimpse else analysis.analyse)(image, parameters)
                if isinstance(answer, Part):
                    continue
                text = orjson.dumps(answer, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
                json.loads(text, parse_constant=_refuse)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", IMAGES)
def test_cosmic_rays_are_removed_or_it_is_said_why_not(tmp_path, name):
    path = write_fits(tmp_path / "a.fits", IMAGES[name](), header=WCS_CARDS)
    with contextlib.suppress(UsageError):
        made = run(CosmicRayRemoval(), {"input_files": [path]}, work_dir=tmp_path / "work")
        with fits.open(made.fits()) as hdus:
            assert hdus["SCI"].data.shape == IMAGES[name]().shape


def _refuse(constant):
    raise AssertionError(f"{constant} is no JSON")
