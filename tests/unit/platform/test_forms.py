"""Signed forms: what the store would refuse, we refuse."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from datalab.platform.objects.forms import FormRefusedError, Forms
from datalab.platform.settings import S3Settings

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
SETTINGS = S3Settings(s3_bucket="night", s3_url="http://store:9000/")
FORMS = Forms(SETTINGS)


def signed(key="data/a.jpg", **more):
    return FORMS.sign(key, **{"max_bytes": 100, "expires_at": NOW + timedelta(seconds=300), **more})


def test_a_form_has_the_fields_of_a_presigned_post():
    fields = signed().fields
    assert list(fields) == ["key", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "policy", "x-amz-signature"]
    assert fields["key"] == "data/a.jpg"
    policy = json.loads(base64.b64decode(fields["policy"]))
    assert policy["expiration"] == "2026-11-29T12:05:00.000Z"
    assert ["eq", "$bucket", "night"] in policy["conditions"]
    assert ["content-length-range", 0, 100] in policy["conditions"]
    assert FORMS.store_url == "http://store:9000/night"


def test_a_form_is_opened_with_what_it_allows():
    form = signed()
    opened = FORMS.open_form(form.fields, now=NOW)
    assert (opened.key, opened.max_bytes, opened.form_id) == ("data/a.jpg", 100, form.form_id)
    shuffled = {name.title(): form.fields[name] for name in reversed(form.fields)} | {"x-ignore-me": "1"}
    assert FORMS.open_form(shuffled, now=NOW).form_id == form.form_id


def test_forms_asked_for_at_different_moments_are_different():
    other = signed(expires_at=NOW + timedelta(seconds=300, milliseconds=1))
    assert other.form_id != signed().form_id


def altered_policy(fields, **changes):
    policy = json.loads(base64.b64decode(fields["policy"]))
    return {**fields, "policy": base64.b64encode(json.dumps({**policy, **changes}).encode()).decode()}


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda fields: {**fields, "key": "data/b.jpg"}, "field 'key' is not what it was made for"),
        (
            lambda fields: {**fields, "x-amz-date": f"{fields['x-amz-date'][:8]}T235959Z"},
            "field 'x-amz-date' is not what",
        ),
        (lambda fields: {**fields, "x-amz-date": "20251128T000000Z"}, "signature is not ours"),
        (lambda fields: {**fields, "x-amz-date": "yesterday"}, "is not a date"),
        (lambda fields: {**fields, "x-amz-signature": "0" * 64}, "signature is not ours"),
        (lambda fields: {**fields, "x-amz-signature": "\u2603"}, "signature is not ours"),
        (lambda fields: altered_policy(fields, expiration="2036-01-01T00:00:00.000Z"), "signature is not ours"),
        (lambda fields: {**fields, "policy": ""}, "signature is not ours"),
        (lambda fields: {**fields, "acl": "public-read"}, "not made with a field 'acl'"),
        (lambda fields: {**fields, "bucket": "other"}, None),  # which bucket it is for we know ourselves
        (lambda fields: {name: fields[name] for name in fields if name != "key"}, "no field 'key'"),
        (lambda fields: {}, "no field 'key'"),
    ],
)
def test_what_was_altered_is_refused(alter, words):
    fields = alter(signed().fields)
    if words is None:
        assert FORMS.open_form(fields, now=NOW).key == "data/a.jpg"
        return
    with pytest.raises(FormRefusedError, match=words):
        FORMS.open_form(fields, now=NOW)


def test_a_form_lives_as_long_as_it_says():
    form = signed()
    assert FORMS.open_form(form.fields, now=NOW + timedelta(seconds=299))
    with pytest.raises(FormRefusedError, match=r"has expired, at 2026-11-29T12:05:00\.000Z"):
        FORMS.open_form(form.fields, now=NOW + timedelta(seconds=300))


def test_a_form_for_another_bucket_or_of_another_secret_is_refused():
    for change in ({"s3_bucket": "other"}, {"s3_secret_key": "another-secret"}, {"s3_region": "eu-west-1"}):
        other = Forms(S3Settings(**{"s3_bucket": "night", **change}))
        with pytest.raises(FormRefusedError):
            FORMS.open_form(other.sign("data/a.jpg", max_bytes=1, expires_at=NOW + timedelta(1)).fields, now=NOW)
