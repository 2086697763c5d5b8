"""When a link is signed anew, and when the one signed before will do."""

import pytest
from minio import Minio

from datalab.platform.objects.links import Links
from datalab.platform.settings import S3Settings


@pytest.fixture
def signed(monkeypatch):
    """The keys that were signed."""
    keys = []

    def sign(_client, _bucket, key, *, expires, response_headers):
        keys.append(key)
        return f"{key}?{response_headers}#{len(keys)}"

    monkeypatch.setattr(Minio, "presigned_get_object", sign)
    return keys


def links(**options):
    clock = [100.0]
    return Links(S3Settings(s3_link_ttl_s=1000), clock=lambda: clock[0], **options), clock


def test_a_link_is_signed_anew_after_a_tenth_of_its_life(signed):
    made, clock = links()
    first = made.sign_get("a", content_type="image/jpeg")
    clock[0] += 100
    assert made.sign_get("a", content_type="image/jpeg") == first
    clock[0] += 1
    assert made.sign_get("a", content_type="image/jpeg") != first
    assert signed == ["a", "a"]


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
