"""Indexes of the sky: made of the stars that the installation brings, or of tables of Gaia."""

import gzip

import numpy as np
import pytest
import structlog
from astropy.table import Table

from datalab.astro.sky.blind_solving import solve_blind
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sky_index import SkyIndex
from datalab.astro.sky.tangent_fit import tangent_wcs
from operation_runner.stars import build_index as command
from operation_runner.stars import sky_indexes as indexes
from operation_runner.stars.star_tables import StarTableError, bundled_catalogue, read_star_table

STARS = 400


def table(**columns):
    rng = np.random.default_rng(1)
    of_gaia = {
        "source_id": np.arange(STARS),
        "ra": rng.uniform(100, 110, STARS),
        "dec": rng.uniform(-5, 5, STARS),
        "phot_g_mean_mag": rng.uniform(5, 12, STARS),
        "pmra": rng.normal(0, 10, STARS),
        "pmdec": rng.normal(0, 10, STARS),
        "ref_epoch": np.full(STARS, 2016.0),
    }
    return Table({name: value for name, value in (of_gaia | columns).items() if value is not None})


def test_the_stars_of_the_installation_find_a_field_of_the_real_sky(tmp_path):
    """Between Betelgeuse and Bellatrix, by stars to magnitude 10 and nothing else; the second time at once."""
    folder = tmp_path / "sky-index"
    (index,) = indexes.sky_indexes(folder)
    stars = read_star_table(bundled_catalogue())
    assert stars.ra_deg.size == 482_176
    wcs = tangent_wcs((85.0, 6.5), 2.0 / 1000 * np.array([[0.6, 0.8], [0.8, -0.6]]), crpix=(500.5, 500.5))
    near = np.flatnonzero((np.abs(stars.ra_deg - 85) < 2) & (np.abs(stars.dec_deg - 6.5) < 2))
    x, y = wcs.all_world2pix(stars.ra_deg[near], stars.dec_deg[near], 0)
    shown = np.flatnonzero((x > 0) & (y > 0) & (x < 999) & (y < 999))
    brightest = shown[np.argsort(stars.magnitude[near][shown])]
    solution = solve_blind(np.column_stack([x, y])[brightest], (1000, 1000), index)
    middle = solution.wcs.pixel_to_world(499.5, 499.5)
    assert (middle.ra.deg, middle.dec.deg) == pytest.approx((85.0, 6.5), abs=1e-3)
    written = next(folder.iterdir()).stat().st_mtime_ns
    (again,) = indexes.sky_indexes(folder)
    assert next(folder.iterdir()).stat().st_mtime_ns == written
    assert again.n_quads == index.n_quads


@pytest.fixture
def few_stars(monkeypatch, tmp_path):
    """Let the installation bring few stars, so that its index is made at once."""
    path = tmp_path / "few.csv"
    table().write(path)
    monkeypatch.setattr(indexes, "bundled_catalogue", lambda: path)


@pytest.mark.usefixtures("few_stars")
def test_files_of_the_folder_are_used_too_and_damaged_ones_left_out(tmp_path):
    folder = tmp_path / "sky-index"
    tables = tmp_path / "deep.csv"
    table().write(tables)
    folder.mkdir()
    assert command.main([str(tables), "--out", str(folder / "deep.sky"), "--least-field", "0.4"]) == 0
    (folder / "damaged.sky").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not an index")
    with structlog.testing.capture_logs() as logged:
        assert [index.least_field_deg for index in indexes.sky_indexes(folder)] == [1.0, 0.4]  # the small one first
    assert "damaged.sky is not a star index of this version" in logged[0]["reason"]


@pytest.mark.usefixtures("few_stars")
def test_a_folder_that_cannot_be_written_costs_no_operation(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with structlog.testing.capture_logs() as logged:
        assert list(indexes.sky_indexes(tmp_path / "file")) == []
    assert [each["event"] for each in logged] == ["sky_index.not_written"]


def test_an_installation_without_stars_has_no_index(tmp_path, monkeypatch):
    monkeypatch.setattr(indexes, "bundled_catalogue", lambda: None)
    assert list(indexes.sky_indexes(tmp_path)) == []


@pytest.mark.parametrize("name", ["stars.csv", "stars.csv.gz", "stars.ecsv", "stars.vot", "stars.fits"])
def test_tables_of_gaia_are_read(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".gz"):
        table().write(tmp_path / "plain.csv")
        path.write_bytes(gzip.compress((tmp_path / "plain.csv").read_bytes()))
    else:
        table().write(path, format="votable" if name.endswith(".vot") else None)
    stars = read_star_table(path)
    np.testing.assert_allclose(stars.ra_deg, table()["ra"])
    np.testing.assert_allclose(stars.pm_dec_mas_yr, table()["pmdec"])
    assert stars.epoch_yr == 2016.0


def test_stars_without_position_or_magnitude_are_left_out(tmp_path):
    magnitude = np.ma.array(table()["phot_g_mean_mag"], mask=np.arange(STARS) < 3)
    motion = np.ma.array(table()["pmra"], mask=np.arange(STARS) == 10)
    path = tmp_path / "stars.csv"
    table(phot_g_mean_mag=magnitude, pmra=motion, pmdec=None, ref_epoch=None).write(path)
    stars = read_star_table(path)
    assert stars.ra_deg.size == STARS - 3
    assert stars.pm_ra_mas_yr[7] == 0.0
    assert not stars.pm_dec_mas_yr.any()


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("stars.csv", {"phot_g_mean_mag": None}, "has no column phot_g_mean_mag"),
        ("stars.csv", {"ref_epoch": np.arange(STARS)}, "has positions of several epochs"),
        ("stars.parquet", None, "is none of .csv"),
        ("stars.fits", None, "is no table|cannot be read"),
        ("missing.csv", ..., "cannot be read"),
    ],
)
def test_what_is_no_table_of_stars_is_told(tmp_path, capsys, name, columns, reason):
    path = tmp_path / name
    if columns is None:
        path.write_bytes(b"some bytes")
    elif columns is not ...:
        table(**columns).write(path)
    with pytest.raises(StarTableError, match=reason):
        read_star_table(path)
    assert command.main([str(path), "--out", str(tmp_path / "out.sky")]) == 1
    assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "out.sky").exists()


@pytest.mark.parametrize("wrong", [["--out", "index.bin"], ["--out", "i.sky", "--least-field", "0"]])
def test_the_command_refuses_what_cannot_be(tmp_path, wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([str(tmp_path / "stars.csv"), *wrong])
    assert "--out must end in .sky" in (said := capsys.readouterr().err) or "--least-field must be" in said


def test_the_command_says_what_it_made(tmp_path, capsys):
    table().write(tmp_path / "stars.csv")
    assert command.main([str(tmp_path / "stars.csv"), "--out", str(tmp_path / "made.sky"), "--least-field", "2"]) == 0
    index = SkyIndex.open(tmp_path / "made.sky")
    assert f"made.sky: {index.n_stars} stars, {index.n_quads} quads" in capsys.readouterr().out
    assert index.reference == "Gaia DR3"
    assert index.stars(SkyRegion(ra_deg=105, dec_deg=0, radius_deg=3)).ra_deg.size > 10
