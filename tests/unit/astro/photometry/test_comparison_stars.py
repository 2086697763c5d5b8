import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from datalab.astro.photometry.comparison_stars import CatalogueSources, StarClusters, pool_cap

ARCSEC = 1 / 3600


def sources(ra_deg, dec_deg, *, flux=None, mag=None):
    count = len(ra_deg)
    return CatalogueSources(
        ra_deg=np.asarray(ra_deg, float),
        dec_deg=np.asarray(dec_deg, float),
        flux=np.asarray(flux if flux is not None else np.full(count, 1000.0), float),
        mag=np.asarray(mag if mag is not None else np.full(count, 12.0), float),
        row=np.arange(1, count + 1),
    )


def candidates(*frames, merged_within_arcsec=1.0, least_frames=1):
    clusters = StarClusters()
    for frame in frames:
        clusters.add(frame)
    return clusters.candidates(merged_within_arcsec=merged_within_arcsec, least_frames=least_frames)


def test_only_whole_rows_of_a_catalogue_count():
    table = Table(
        {
            "ra": [10.0, 11.0, 12.0, 13.0],
            "dec": [1.0, 2.0, np.nan, 4.0],
            "flux": [5, 6, 7, 8],
            "mag": MaskedColumn([12.0, 13.0, 14.0, 15.0], mask=[False, True, False, False]),
        }
    )
    found = CatalogueSources.of(table)
    assert found.row.tolist() == [1, 4]
    assert found.flux.tolist() == [5.0, 8.0]
    with pytest.raises(ValueError, match="no column flux, mag"):
        CatalogueSources.of(table["ra", "dec"])


@pytest.mark.parametrize("nothing", [None, Table({"ra": [], "dec": [], "flux": [], "mag": []})], ids=["none", "empty"])
def test_a_frame_without_sources_is_named_so(nothing):
    with pytest.raises(ValueError, match="no source catalogue"):
        CatalogueSources.of(nothing)


def test_a_star_keeps_its_identity_through_errors_of_position():
    first = sources([10.0, 10.01], [0.0, 0.0])
    shifted = sources([10.01 + 1.5 * ARCSEC, 10.0 + 1.5 * ARCSEC], [0.0, 0.0])
    too_far = sources([10.0 + 4 * ARCSEC], [0.0])
    found = candidates(first, shifted, too_far)
    assert found.identifiers == ["cand-001", "cand-002", "cand-003"]
    assert (found.row > 0).sum(axis=0).tolist() == [2, 1, 2]
    assert found.row[:, 2].tolist() == [2, 1, 0]
    assert found.ra_deg[0] == pytest.approx(10.0 + 0.75 * ARCSEC, abs=1e-9)


def test_one_row_of_a_frame_joins_a_cluster_and_the_closest_does():
    double = sources([10.0 + 2.0 * ARCSEC, 10.0 + 0.5 * ARCSEC], [0.0, 0.0])
    found = candidates(sources([10.0], [0.0]), double)
    assert found.row.tolist() == [[1, 0], [2, 1]]


def test_positions_join_across_the_zero_of_right_ascension_and_near_the_pole():
    around_zero = candidates(sources([359.9999], [0.0]), sources([0.0001], [0.0]), merged_within_arcsec=0.1)
    assert len(around_zero.number) == 1
    assert min(around_zero.ra_deg[0], 360 - around_zero.ra_deg[0]) < 1e-6
    at_pole = candidates(sources([10.0], [89.9999]), sources([190.0], [89.9999]), merged_within_arcsec=0.1)
    assert len(at_pole.number) == 1


def test_stars_in_one_aperture_are_one_as_bright_as_the_brighter():
    pair = sources([10.0, 10.0 + 4 * ARCSEC, 10.1], [0.0, 0.0, 0.0], flux=[100, 900, 50], mag=[14.0, 11.5, 15.0])
    found = candidates(pair, pair, merged_within_arcsec=5.0)
    assert found.reference_mag.tolist() == [11.5, 15.0]
    assert found.row[:, 0].tolist() == [2, 2]


def test_stars_seen_too_seldom_leave_gaps_in_the_numbers():
    often, once = sources([10.0, 12.0], [0.0, 0.0]), sources([10.0, 11.0, 12.0], [0.0, 0.0, 0.0])
    found = candidates(often, once, often, least_frames=3)
    assert found.identifiers == ["cand-001", "cand-003"]
    assert found.note is None
    assert found.isolation_arcsec == pytest.approx([3600.0, 3600.0])  # the star in between is not forgotten


def test_the_reference_magnitude_is_the_median_of_the_frames():
    frames = [sources([10.0], [0.0], mag=[mag]) for mag in (12.0, 15.0, 12.2)]
    assert candidates(*frames).reference_mag.tolist() == [12.2]


def test_the_pool_is_limited_and_keeps_what_is_seen_most():
    assert pool_cap(13) > 1300
    assert pool_cap(999) * 999 <= 200_000
    assert pool_cap(100_000) == 50
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(10, 14, 400), rng.uniform(-2, 2, 400)
    clusters = StarClusters()
    for number in range(999):
        clusters.add(sources(ra, dec) if number % 2 else sources(ra[:150], dec[:150]))
    found = clusters.candidates(merged_within_arcsec=1.0, least_frames=1)
    assert len(found.number) == pool_cap(999) == 200
    assert ((found.row > 0).sum(axis=0) == 999).sum() == 150
    assert found.note is not None
    assert "200 of 400" in found.note
    assert found.number.tolist() == sorted(found.number)


def test_no_sources_give_no_candidates():
    nothing = candidates(sources([], []), sources([], []))
    assert nothing.identifiers == []
    assert nothing.row.shape == (2, 0)
