"""When a link is signed anew, and when the one signed before will do."""

from datetime import UTC, datetime, timedelta

import pytest

from datalab.platform.objects.driver import s3_client
from datalab.platform.objects.links import Links, _attachment
from datalab.platform.settings import S3Settings


@pytest.fixture
def signed(monkeypatch):
    """The keys that were signed."""
    keys = []

    def sign(links, key, content_type, filename):
        keys.append(key)
        dated = datetime.fromtimestamp(links._slot.dated_at, UTC)
        return f"{key}?{content_type}{filename}@{dated:%H:%M:%S}"

    monkeypatch.setattr(Links, "_sign", sign)
    return keys


def links(*, now=3600.0, **options):
    clock = [now]
    return Links(S3Settings(s3_link_ttl_s=1000), clock=lambda: clock[0], **options), clock


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "https://s3.eu-west-1.amazonaws.com", "https://s3.example"])
@pytest.mark.parametrize("key", ["data/a-EX00.fits.fz", "data/a (1)+ä~&=%.fits", "a//".strip("/")])
@pytest.mark.parametrize("options", [{}, {"content_type": "image/jpeg", "filename": 'ä "b" %.fits'}])
def test_links_are_the_drivers(url, key, options):
    settings = S3Settings(s3_url=url, s3_link_ttl_s=1000)
    now = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    headers = {
        "response-content-type": options.get("content_type"),
        "response-content-disposition": options and _attachment(options["filename"]),
    }
    expected = s3_client(settings, url).get_presigned_url(
        "GET",
        settings.s3_bucket,
        key,
        expires=timedelta(seconds=1000),
        response_headers={name: value for name, value in headers.items() if value},
        request_date=datetime.fromtimestamp(now.timestamp() // 100 * 100, UTC),
    )
    link = Links(settings, clock=now.timestamp).sign_get(key, **options)
    (ours, our_parameters), (its, its_parameters) = link.split("?"), expected.split("?")
    assert (ours, sorted(our_parameters.split("&"))) == (its, sorted(its_parameters.split("&")))


def test_a_link_is_dated_back_to_the_slot_it_is_signed_in_which_is_a_tenth_of_its_life(signed):
    made, clock = links()
    first = made.sign_get("a", content_type="image/jpeg")
    assert first.endswith("@01:00:00")
    clock[0] += 99.9
    assert made.sign_get("a", content_type="image/jpeg") == first
    assert signed == ["a"]
    clock[0] += 0.1
    assert made.sign_get("a", content_type="image/jpeg").endswith("@01:01:40")
    assert signed == ["a", "a"]


@pytest.mark.parametrize("now", [3600.0, 3651.3, 3699.9])
def test_whoever_signs_at_whatever_time_of_a_slot_makes_the_same_link(signed, now):
    assert links(now=now)[0].sign_get("a") == links()[0].sign_get("a")
    assert len(signed) == 2


def test_another_type_or_name_is_another_link(signed):
    made, _ = links()
    wanted = [{}, {"content_type": "image/jpeg"}, {"filename": "a.fits"}, {"filename": "b.fits"}]
    assert len({made.sign_get("a", **each) for each in wanted * 2}) == 4
    assert len(signed) == 4


def test_the_least_used_links_are_forgotten(signed):
    made, _ = links(capacity=2)
    for key in "abaca":
        made.sign_get(key)
    assert signed == ["a", "b", "c"]
    made.sign_get("b")
    assert signed == ["a", "b", "c", "b"]
