"""What of a folder the demonstration sends, under which names, and what it says of the rest."""

import pytest

from datalab.cli.work.archive import fits_role, frame_name
from datalab.cli.work.demonstration import Arrival, DemoFailedError, Figures, Result
from datalab.cli.work.fits_folder import fits_files
from datalab.cli.work.shipments import from_folder
from datalab.documents.file_names import parse_file_name


@pytest.mark.parametrize(
    "name",
    [
        "tst-cam01-20260504-00000042-EX00.fits.fz",
        "tst-cam01-20260504-00000042-EX10.fits.fz",
        "cpt0m406-kb84-20260504-0042-e91.fits.fz",
        "m31.v2.fits.gz",
        "m31_blue_1.fits",
    ],
)
def test_names_are_understood_as_ingest_understands_them(name):
    parsed = parse_file_name(name)
    assert (frame_name(f"data/{name}"), fits_role(f"data/{name}")) == (parsed.basename, parsed.role)


def test_each_file_that_is_not_sent_is_named_with_what_would_be_right(tmp_path):
    for name in ("a.fits", "b.fits.fz", "c.fit", "D.FITS", "e.fts.gz", "readme.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "night.fits").mkdir()
    paths, skipped = fits_files(tmp_path)
    assert [path.name for path in paths] == ["D.FITS", "a.fits", "b.fits.fz", "c.fit", "e.fts.gz"]
    assert set(skipped) == {"readme.txt", "night.fits"}
    assert "no FITS file by its name" in skipped["readme.txt"]
    assert "a folder" in skipped["night.fits"]


def test_names_no_program_can_send_are_skipped(tmp_path):
    (tmp_path / "good.fits").touch()
    (tmp_path / "bad\udcff.fits").touch()
    (tmp_path / "link.fits").symlink_to("nowhere")
    paths, skipped = fits_files(tmp_path)
    assert [path.name for path in paths] == ["good.fits"]
    assert skipped == {"bad .fits": "its name is no text in UTF-8", "link.fits": "no file, or a link to none"}


def test_a_folder_without_fits_files_says_what_it_has_instead(tmp_path):
    (tmp_path / "m31.fits.zip").write_bytes(b"")
    with pytest.raises(DemoFailedError, match="has no FITS files") as refusal:
        fits_files(tmp_path)
    assert "m31.fits.zip: no FITS file by its name" in str(refusal.value)


def test_files_are_read_when_they_are_wanted(tmp_path):
    (tmp_path / "tst-cam01-20260504-00000042-EX00.fits").write_bytes(b"one")
    (tmp_path / "m31.fits").write_bytes(b"two")
    shipment = from_folder(tmp_path)
    assert shipment.sites == {"tst", "demo"}
    (tmp_path / "m31.fits").write_bytes(b"three")
    assert {file.basename: file.read() for file in shipment.files.values()} == {
        "tst-cam01-20260504-00000042": b"one",
        "m31": b"three",
    }


def test_figures_of_frames_that_were_all_known():
    result = Result(1, ("a", "b"), 0.5, 0.0)
    figures = Figures(known={"a", "b"}, results=[result])
    assert figures.upload_to_visible_ms_p50 is None
    assert ("frames known before", "2") in list(figures.rows())
    assert '"upload_to_visible_ms_p50": null' in figures.as_json()


def test_figures_with_a_refusal_are_not_ok():
    figures = Figures(arrivals=[Arrival("a", 0.25)], refused={"data/b": "no"}, results=[Result(1, ("a",), 0.5, 0.0)])
    assert '"result": "refused"' in figures.as_json()
    assert ("files refused", "1") in list(figures.rows())
