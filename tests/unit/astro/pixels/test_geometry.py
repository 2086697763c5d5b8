import pytest

from datalab.astro.pixels.geometry import common_shape


def test_the_common_shape_is_the_least_of_each_axis():
    assert common_shape([(10, 20), (20, 10)]) == (10, 10)
    assert common_shape([(7, 9)]) == (7, 9)


def test_no_images_have_no_common_shape():
    with pytest.raises(ValueError, match="no images"):
        common_shape([])
