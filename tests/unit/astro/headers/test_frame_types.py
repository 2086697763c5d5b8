"""Kinds of exposures, in the words of capture programs."""

import pytest

from datalab.astro.headers.description import describe


@pytest.mark.parametrize(
    ("cards", "kind"),
    [
        ({"OBSTYPE": "EXPOSE"}, "EXPOSE"), ({"OBSTYPE": "SKYFLAT"}, "SKYFLAT"),
        ({"OBSTYPE": "EXPERIMENTAL"}, "EXPERIMENTAL"),
        # MaxIm DL, AstroImageJ, Ekos
        ({"IMAGETYP": "Light Frame"}, "EXPOSE"), ({"IMAGETYP": "Bias Frame"}, "BIAS"),
        ({"IMAGETYP": "Dark Frame"}, "DARK"),
        ({"IMAGETYP": "Flat Field"}, "FLAT"), ({"IMAGETYP": "Flat Frame"}, "FLAT"),
        ({"IMAGETYP": "Tricolor Image"}, "EXPOSE"),
        # NINA, SGP, APT
        ({"IMAGETYP": "LIGHT"}, "EXPOSE"), ({"IMAGETYP": "DARKFLAT"}, "DARK"), ({"IMAGETYP": "SNAPSHOT"}, "EXPOSE"),
        ({"IMAGETYP": "BIAS"}, "BIAS"), ({"IMAGETYP": "FLAT"}, "FLAT"), ({"IMAGETYP": "Dark Flat"}, "DARK"),
        # SharpCap, INDI, TheSkyX
        ({"FRAMETYP": "Light"}, "EXPOSE"), ({"FRAMETYP": "Dark"}, "DARK"), ({"FRAME": "Bias"}, "BIAS"),
        ({"FRAME": "Light"}, "EXPOSE"), ({"PICTTYPE": 3}, "DARK"), ({"IMAGETYP": "Dark", "PICTTYPE": 1}, "DARK"),
        # Siril, PixInsight
        ({"IMAGETYP": "Master Bias"}, "BIAS"), ({"IMAGETYP": "Master Light"}, "EXPOSE"),
        ({"IMAGETYP": "masterDark"}, "DARK"),
        ({"IMAGETYP": "Master Flat"}, "FLAT"),
        # IRAF, ESO, ZTF
        ({"IMAGETYP": "object"}, "EXPOSE"), ({"IMAGETYP": "zero"}, "BIAS"), ({"IMAGETYP": "comp"}, "ARC"),
        ({"ESO DPR TYPE": "FLAT,SKY"}, "SKYFLAT"), ({"ESO DPR TYPE": "OBJECT"}, "EXPOSE"),
        ({"IMGTYPE": "object"}, "EXPOSE"),
        ({"IMAGETYP": "Sky Flat"}, "SKYFLAT"), ({"IMAGETYP": "twilight flat"}, "SKYFLAT"),
        ({"IMAGETYP": "Dome_Flat"}, "DOMEFLAT"),
        # not a kind of exposure
        ({"FRAME": "ICRS"}, None), ({"FRAME": 12}, None), ({"PICTTYPE": 9}, None), ({}, None),
        ({"OBSTYPE": "N/A"}, None),
        # OBSTYPE says nothing, IMAGETYP does
        ({"OBSTYPE": "", "IMAGETYP": "Dark Frame"}, "DARK"),
    ],
)  # fmt: skip
def test_words(cards, kind):
    found = describe(cards)
    assert (found.configuration_type, found.notes) == (kind, ())


def test_cards_that_disagree_are_noted():
    found = describe({"OBSTYPE": "EXPOSE", "IMAGETYP": "Dark Frame"})
    assert found.configuration_type == "EXPOSE"
    assert [note.split(":")[0] for note in found.notes] == ["IMAGETYP"]
