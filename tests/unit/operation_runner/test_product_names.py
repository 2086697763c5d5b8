from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from datalab.platform.objects.keys import valid_key
from operation_runner.results.names import product_name

KEY = "1f0a9c3b7d" + "5" * 54
NIGHT = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)


def name(operation="Median", target_name="M 31", filter_name="rp", observation_date=NIGHT):
    return product_name(
        operation=operation,
        result_key=KEY,
        target_name=target_name,
        filter_name=filter_name,
        observation_date=observation_date,
    )


def test_a_name_says_what_it_is_of():
    assert name() == "Median-M_31-rp-20260314-1f0a9c3b7d"
    assert name("Color Image", filter_name="gp+rp") == "Color_Image-M_31-gp+rp-20260314-1f0a9c3b7d"


def test_what_is_not_known_is_left_out():
    assert name(target_name=None, filter_name=None, observation_date=None) == "Median-1f0a9c3b7d"
    assert name(target_name="  / ", filter_name="") == "Median-20260314-1f0a9c3b7d"


@given(operation=st.text(min_size=1, max_size=100), target=st.text(max_size=200), filter_name=st.text(max_size=200))
def test_whatever_a_header_says_the_name_is_one_of_a_file(operation, target, filter_name):
    made = name(operation, target, filter_name)
    assert valid_key(f"{made}-1000.fits") == f"{made}-1000.fits"
    assert made.isascii()
    assert not {"/", "\\", "..", " ", '"'} & set(made)
    assert not made.startswith((".", "-"))
    assert len(made) < 200
    assert made.endswith("1f0a9c3b7d")
