"""A corpus that finds nothing amiss must be able to: what is wrong, lost or told without need is found."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from corpus.judging import Fault, findings, unlike
from corpus.model import MIDDLE, PIXELS, SHAPE, START, refused, right
from corpus.readings import Reading

ORDINARY = Reading(
    start=START,
    middle=MIDDLE,
    exposure_s=30.0,
    position=(202.469575, 47.195258),
    filter_name="rp",
    kind="EXPOSE",
    target="M 51",
    airmass=1.21,
    shape=SHAPE,
    pixels=PIXELS,
)
CORNERS = ((10.0, 20.0),) * 4


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"start": START + timedelta(milliseconds=2)}, [Fault.WRONG]),
        ({"middle": MIDDLE + timedelta(seconds=15)}, [Fault.WRONG]),
        ({"exposure_s": 30.001}, [Fault.WRONG]),
        ({"position": (202.469575 + 1e-4, 47.195258)}, [Fault.WRONG]),
        ({"position": (202.469575, None)}, [Fault.WRONG]),
        ({"position": (None, None)}, [Fault.SILENT]),
        ({"filter_name": None}, [Fault.SILENT]),
        ({"filter_name": None, "notes": ("OBJECT: odd",)}, [Fault.LOST, Fault.NEEDLESS]),
        ({"altitude_deg": 45.0}, [Fault.WRONG]),
        ({"notes": ("OBJECT: odd",)}, [Fault.NEEDLESS]),
        ({"shape": SHAPE[::-1]}, [Fault.WRONG]),
        ({"pixels": PIXELS + np.eye(*SHAPE, dtype=np.int16)}, [Fault.WRONG]),
        ({"pixels": np.where(PIXELS == 100, np.nan, PIXELS)}, [Fault.WRONG]),
        ({"corners": CORNERS}, [Fault.WRONG]),
        ({"refusal": "no image"}, [Fault.LOST]),
        ({"crash": "KeyError()"}, [Fault.CRASH]),
    ],
)
def test_what_is_amiss_with_the_ordinary_file(changes, faults):
    assert [found.fault for found in findings(right(), replace(ORDINARY, **changes))] == faults


def test_notes_that_are_asked_for_are_missed():
    asked = right(start=None, noted=("DATE-OBS",))
    told = replace(ORDINARY, start=None, middle=None, notes=("DATE-OBS: '31/13/04' is no date: left out",))
    assert findings(asked, told) == []
    assert [each.fault for each in findings(asked, replace(told, notes=("UT: '25:00' is no time",)))] == [
        Fault.SILENT,
        Fault.NEEDLESS,
    ]
    assert [each.what for each in findings(asked, replace(ORDINARY, notes=told.notes))] == ["start", "middle"]


def test_the_sky_is_held_against_every_corner():
    asked = right(sky=lambda x, y: (10.0, 20.0))
    assert findings(asked, replace(ORDINARY, corners=CORNERS)) == []
    assert [each.what for each in findings(asked, replace(ORDINARY, corners=(*CORNERS[:3], (10.0, 20.0001))))] == [
        "sky"
    ]
    assert [each.fault for each in findings(asked, ORDINARY)] == [Fault.SILENT]


def test_who_must_refuse_a_file_says_why():
    assert findings(refused("BITPIX"), Reading(refusal="HDU 0: BITPIX is 17")) == []
    assert [each.fault for each in findings(refused("BITPIX"), Reading(refusal="17"))] == [Fault.SILENT]
    assert [each.fault for each in findings(refused("BITPIX"), ORDINARY)] == [Fault.WRONG]


def test_readers_that_do_not_agree_are_told_of():
    assert unlike(ORDINARY, ORDINARY) == []
    assert unlike(ORDINARY, replace(ORDINARY, kind="DARK", corners=CORNERS)) == ["kind", "sky"]
    assert unlike(ORDINARY, Reading(refusal="no image")) == ["one refuses the file and the other takes it: no image"]
