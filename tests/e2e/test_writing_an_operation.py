"""The walk-through `docs/writing-an-operation.md`, done exactly as written."""

import numpy as np
from astropy.io import fits

from support.guides import ROOT, blocks, finished, running_datalab, shell_environment

GUIDE = "docs/writing-an-operation.md"


async def test_the_guide_leads_to_a_result(tmp_path):
    environment = shell_environment()
    make_package, *terminal = blocks(GUIDE, "bash")
    (server,) = blocks(GUIDE, "bash terminal=server")
    operation, *_ = blocks(GUIDE, "python")
    await finished(make_package, tmp_path, environment)
    (tmp_path / "my_operations/increase_brightness.py").write_text(operation)
    async with running_datalab(server, tmp_path, environment):
        output = await finished("\n".join(terminal), tmp_path, environment)
    assert "Increases the brightness of images by a value." in output
    assert "--set increase_by=NUMBER" in output
    (frame,) = tmp_path.glob("*-EX00.fits.fz")
    (made,) = tmp_path.glob("*_increase-brightness.fits")
    with fits.open(frame) as source, fits.open(made) as result:
        (science,) = (hdu for hdu in source if hdu.data is not None and hdu.data.ndim == 2)
        np.testing.assert_array_equal(result["SCI"].data, science.data.astype("f4") + 100)
        assert result["CAT"].data.size > 10


async def test_the_test_of_the_guide_passes(tmp_path):
    environment = shell_environment()
    make_package, *_ = blocks(GUIDE, "bash")
    operation, *_ = blocks(GUIDE, "python")
    (test,) = blocks(GUIDE, "python test")
    await finished(make_package, tmp_path, environment)
    (tmp_path / "my_operations/increase_brightness.py").write_text(operation)
    (tmp_path / "test_brightness.py").write_text(test)
    environment["PYTHONPATH"] = f"{tmp_path}:{ROOT / 'tests'}"
    output = await finished("python -m pytest -q test_brightness.py", tmp_path, environment)
    assert "1 passed" in output
