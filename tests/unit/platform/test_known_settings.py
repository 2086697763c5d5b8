import pytest

from datalab.platform.known_settings import mistyped_settings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATALAB_SLOW_SLOT", "DATALAB_SLOW_SLOTS"),
        ("DATALAB_NATS_USERNAME", "DATALAB_NATS_USER"),
        ("DATALAB_S3_PUBLIC_URI", "DATALAB_S3_PUBLIC_URL"),
        ("datalab_log_levle", "DATALAB_LOG_LEVEL"),
    ],
)
def test_the_nearest_name_is_offered(name, meant):
    assert mistyped_settings({name: "1"}) == [f"{name} is no setting and has no effect; did you mean {meant}?"]


def test_what_is_near_nothing_is_named_all_the_same():
    assert mistyped_settings({"DATALAB_ZZZZZZ_QQQQ": ""}) == ["DATALAB_ZZZZZZ_QQQQ is no setting and has no effect"]


def test_what_is_right_and_what_is_others_is_not_named():
    right = ("DATALAB_SLOW_SLOTS", "datalab_slow_slots", "DATALAB_TOKEN", "DATALAB_LOCAL_FOLDER", "PATH", "NATS_URL")
    assert mistyped_settings(dict.fromkeys(right, "1")) == []


def test_values_are_not_told():
    """One of them may be a password."""
    assert "hidden" not in "".join(mistyped_settings({"DATALAB_NATS_PASSWORT": "hidden"}))
