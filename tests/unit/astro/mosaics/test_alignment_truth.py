"""Alignment by stars against the truth of simulated pairs; `benchmarks/alignment_truth.py` does it for 210 pairs."""

import numpy as np
import pytest

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.mosaics.alignment import align, align_by_stars, align_by_wcs
from datalab.astro.mosaics.placement import AlignmentError, Frame
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.sources.extraction import extract_sources
from datalab.simulation.image_pair_kinds import KINDS, image_pair
from datalab.simulation.image_pairs import Detector

SHAPE = (320, 320)
REFERENCE = Detector.turned(SHAPE)


def seen(exposure):
    return Frame(
        shape=exposure.pixels.shape,
        wcs=celestial_wcs(exposure.header, exposure.pixels.shape),
        stars=star_positions(extract_sources(exposure.pixels).sources),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_every_kind_are_right_and_other_skies_refused(kind):
    pair = image_pair(kind, 1)
    if not pair.alignable:
        with pytest.raises(AlignmentError):
            align(seen(pair.image), seen(pair.reference))
        return
    placement = align_by_stars(seen(pair.image), seen(pair.reference))
    assert pair.largest_error_px(placement.to_image) < 1.0


def test_the_same_seed_gives_the_same_pair():
    np.testing.assert_array_equal(image_pair("few stars", 3).image.pixels, image_pair("few stars", 3).image.pixels)
    with pytest.raises(ValueError, match="is none of the kinds"):
        image_pair("fine", 1)


def frames(detector, *, reference=REFERENCE, stars=45, seed=1, headers=(None, None), fixed=0, lost=0.1):
    """Return an image and a reference with about so many stars each, known to 0.08 px, of which some are lost.

    `headers` are the detectors whose WCS they have; `fixed` sources stay on their pixels and are brighter than stars.
    """
    rng = np.random.default_rng(seed)
    reach = 1.5 * max(detector.shape)
    number = round(stars * (2 * reach) ** 2 / np.prod(reference.shape))
    east, north = rng.uniform(-reach, reach, (2, number))
    pattern = rng.uniform(0, 300, (fixed, 2))
    made = []
    for camera, header in zip((detector, reference), headers, strict=True):
        kept = rng.random(number) > lost
        x, y = camera.to_pixels(east[kept], north[kept])
        rows, columns = camera.shape
        on = (x > 3) & (y > 3) & (x < columns - 4) & (y < rows - 4)
        places = np.column_stack([x[on], y[on]]) + rng.normal(0.0, 0.08, (on.sum(), 2))
        wcs = None if header is None else celestial_wcs(header.wcs_cards(), camera.shape)
        places = np.concatenate([pattern + rng.normal(0.0, 0.02, pattern.shape), places])
        made.append(Frame(shape=camera.shape, wcs=wcs, stars=places))
    return made


def off_px(placement, detector, reference=REFERENCE):
    """Return by how many pixels a placement is wrong in the worst place that both cameras show."""
    rows, columns = reference.shape
    x, y = np.meshgrid(np.linspace(0, columns - 1, 9), np.linspace(0, rows - 1, 9))
    true_x, true_y = detector.to_pixels(*reference.to_plane(x, y))
    both = (true_x > 0) & (true_y > 0) & (true_x < detector.shape[1] - 1) & (true_y < detector.shape[0] - 1)
    found_x, found_y = placement.to_image(x, y)
    return np.hypot(found_x - true_x, found_y - true_y)[both].max()


@pytest.mark.parametrize("fixed", [70, 200])
@pytest.mark.parametrize("with_wcs", [False, True])
def test_sources_that_stay_on_their_pixels_are_not_believed(fixed, with_wcs):
    """As hot pixels do that pass for stars; the headers know nothing of the shift."""
    moved = Detector.turned(SHAPE, middle=(5.2, -3.7))
    headers = (REFERENCE, REFERENCE) if with_wcs else (None, None)
    placement = align_by_stars(*frames(moved, fixed=fixed, headers=headers))
    assert off_px(placement, moved) < 0.3
    assert any(f"{fixed} sources lie on the same pixels" in note for note in placement.notes)


def test_images_that_are_aligned_stay_so_with_faults_of_the_camera():
    assert align_by_stars(*frames(REFERENCE, fixed=70)).to_image is None


@pytest.mark.parametrize(("rotation_deg", "aspect"), [(33.0, 1.09 / 0.95), (90.0, 1.09 / 0.95), (0.0, 2.0)])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("with_wcs", [False, True])
def test_pixels_need_not_be_square(rotation_deg, aspect, both, with_wcs):
    detector = Detector.turned(SHAPE, aspect=aspect, rotation_deg=rotation_deg, middle=(12.0, -7.0))
    reference = Detector.turned(SHAPE, aspect=aspect) if both else REFERENCE
    headers = (detector, reference) if with_wcs else (None, None)
    placement = align_by_stars(*frames(detector, reference=reference, stars=70, headers=headers))
    assert off_px(placement, detector, reference) < 0.4
    assert placement.notes == ()


@pytest.mark.parametrize("binning", [(2, 2), (4, 4), (1, 2)])
@pytest.mark.parametrize("with_wcs", [False, True])
def test_a_binned_image_with_the_header_of_the_unbinned_one_is_aligned_and_the_header_doubted(binning, with_wcs):
    whole, reference = Detector.turned((640, 640), middle=(5.0, 8.0)), Detector.turned((640, 640))
    binned = whole.binned(*binning)
    headers = (whole, reference) if with_wcs else (None, None)
    image, other = frames(binned, reference=reference, stars=120, headers=headers)
    placement = align_by_stars(image, other)
    assert off_px(placement, binned, reference) < 0.4
    assert len(placement.notes) == (1 if with_wcs else 0)
    if with_wcs:
        assert "one is wrong" in placement.notes[0]
        with pytest.raises(AlignmentError, match="do not agree with the stars"):
            align_by_wcs(image, other)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_five_common_stars_are_enough(flipped, seed):
    detector = Detector.turned(SHAPE, middle=(10.0, -12.0), rotation_deg=40.0, flipped=flipped)
    image, reference = frames(detector, stars=60, seed=seed, lost=0.0)
    there = np.column_stack(detector.to_pixels(*REFERENCE.to_plane(*reference.stars.T)))
    both = np.all((there > 20) & (there < 300), axis=1)
    five = reference.stars[both][:5]
    rng = np.random.default_rng(seed)
    image = Frame(shape=SHAPE, wcs=None, stars=there[both][:5] + rng.normal(0.0, 0.08, (5, 2)))
    assert off_px(align_by_stars(image, Frame(shape=SHAPE, wcs=None, stars=five)), detector) < 1.0


@pytest.mark.parametrize("stars", [4, 5, 8, 30])
@pytest.mark.parametrize("with_wcs", [False, True])
def test_strangers_are_refused_whatever_the_headers_say(stars, with_wcs):
    rng = np.random.default_rng(stars)
    wcs = celestial_wcs(REFERENCE.wcs_cards(), SHAPE) if with_wcs else None
    image, reference = (Frame(shape=SHAPE, wcs=wcs, stars=rng.uniform(0, 319, (stars, 2))) for _ in range(2))
    with pytest.raises(AlignmentError):
        align_by_stars(image, reference)
    if with_wcs and stars >= 30:
        with pytest.raises(AlignmentError, match="do not agree with the stars: where they say that both"):
            align_by_wcs(image, reference)
    elif with_wcs:
        assert "not enough stars" in align_by_wcs(image, reference).notes[0]


def test_stars_that_agree_in_a_part_of_the_image_only_are_not_believed():
    """Two fields that have a corner in common, as of a wrong mosaic."""
    image, reference = frames(REFERENCE, stars=120, lost=0.0)
    elsewhere = np.random.default_rng(9).uniform(0, 319, reference.stars.shape)
    corner = np.all(reference.stars < 150, axis=1, keepdims=True)
    with pytest.raises(AlignmentError, match=r"hardly any|should|chance"):
        align_by_stars(image, Frame(shape=SHAPE, wcs=None, stars=np.where(corner, reference.stars, elsewhere)))


def test_distortion_is_taken_out_with_and_without_headers_that_tell_of_it():
    detector = Detector.turned(SHAPE, rotation_deg=120.0, bend=7.0, tilt=2.0)
    for headers in ((None, None), (detector, REFERENCE)):
        placement = align_by_stars(*frames(detector, stars=150, headers=headers))
        assert off_px(placement, detector) < 0.5
    x, y = placement.to_reference(np.array([100.0]), np.array([200.0]))
    back_x, back_y = placement.to_image(x, y)
    assert np.hypot(back_x - 100.0, back_y - 200.0)[0] < 0.01


def test_world_coordinates_are_checked_by_stars():
    moved = Detector.turned(SHAPE, middle=(20.0, 0.0))
    right = align_by_wcs(*frames(moved, headers=(moved, REFERENCE)))
    assert right.found_by == "world coordinates"
    assert right.notes == ()
    slightly = Detector.turned(SHAPE, middle=(22.5, 0.0))
    noted = align_by_wcs(*frames(moved, headers=(slightly, REFERENCE)))
    assert noted.notes == ("World coordinates and stars are up to 2.5 pixels apart.",) or "2.4" in noted.notes[0]
    stale = Detector.turned(SHAPE)
    with pytest.raises(AlignmentError, match=r"do not agree with the stars, which lie up to (19|20)\.\d pixels"):
        align_by_wcs(*frames(moved, headers=(stale, REFERENCE)))
