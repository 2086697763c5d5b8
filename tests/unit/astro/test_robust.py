import numpy as np

from datalab.astro.robust import medians_of_known


def test_medians_of_rows_are_those_of_numpy():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, 9))
    values[rng.random(values.shape) < 0.4] = np.nan
    values[0, :] = np.nan
    values[1, 1:] = np.nan
    np.testing.assert_array_equal(medians_of_known(values)[1:], np.nanmedian(values[1:], axis=1))
    assert np.isnan(medians_of_known(values)[0])
