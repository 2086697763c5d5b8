"""Messages that say a file is stored."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datalab.events.frames import FileStored, FileUploaded
from datalab.events.topology import BUCKET_NOTIFICATIONS
from datalab.platform.bus.consuming import UnreadableMessageError
from ingest.arrivals.announcements import AnnouncementReader
from ingest.arrivals.model import Origin

READER = AnnouncementReader(bucket="datalab")


def record(key, *, event="s3:ObjectCreated:Put", bucket="datalab"):
    """Return a record as MinIO sends it."""
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": "2026-05-04T22:00:01.417Z",
        "eventName": event,
        "userIdentity": {"principalId": "datalab"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": "datalab"}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": 17,
                "eTag": "6805f2cfc46c0f04559748bb039d69ae",
                "contentType": "image/jpeg",
                "userMetadata": {"content-type": "image/jpeg"},
                "sequencer": "17C1B0D2D6C8DF4A",
            },
        },
        "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO (linux; amd64) minio-py"},
    }


def notification(*records):
    return {"EventName": "s3:ObjectCreated:Put", "Key": "datalab/data/a.jpg", "Records": list(records)}


def read(message, subject=BUCKET_NOTIFICATIONS):
    return READER.decode(subject, json.dumps(message).encode())


@given(st.lists(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()), max_size=3))
def test_every_record_is_an_arrival_under_its_decoded_key(keys):
    arrivals = read(notification(*(record(key) for key in keys))).arrivals
    assert [arrival.key for arrival in arrivals] == keys
    assert all((arrival.origin, arrival.site) == (Origin.OBJECT_STORE, None) for arrival in arrivals)


def test_a_plus_is_a_space_and_a_percent_sign_is_decoded():
    message = notification(record("data/x"))
    message["Records"][0]["s3"]["object"]["key"] = "data/M+51%20%2B.fits"
    assert read(message).arrivals[0].key == "data/M 51 +.fits"


def test_a_repeated_notification_is_the_same_arrival():
    assert read(notification(record("data/a"))) == read(notification(record("data/a")))


def test_only_created_objects_count():
    names = ("s3:ObjectRemoved:Delete", "s3:ObjectAccessed:Get", "ObjectCreated:CompleteMultipartUpload")
    found = read(notification(*(record(f"data/{name}", event=name) for name in names)))
    assert [arrival.key for arrival in found.arrivals] == ["data/ObjectCreated:CompleteMultipartUpload"]


def test_a_test_event_tells_of_no_file():
    assert read({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "datalab"}).arrivals == ()
    assert read({"EventName": "s3:TestEvent", "Key": "datalab", "Records": None}).arrivals == ()


def test_another_bucket_is_not_ours():
    with pytest.raises(UnreadableMessageError, match="bucket 'elsewhere' is not 'datalab'"):
        read(notification(record("data/a"), record("data/a", bucket="elsewhere")))


@pytest.mark.parametrize("message", [{}, {"temperature_c": 4.5}, [], None, 3, "text", {"Records": [{}]}])
@pytest.mark.parametrize("subject", [BUCKET_NOTIFICATIONS, "observatory.tst.image.new"])
def test_foreign_json_is_unreadable(message, subject):
    with pytest.raises((ValidationError, UnreadableMessageError)):
        read(message, subject)


@given(st.binary(max_size=200), st.sampled_from([BUCKET_NOTIFICATIONS, "observatory.tst.image.new"]))
def test_any_bytes_are_unreadable_at_worst(body, subject):
    with pytest.raises((ValidationError, UnreadableMessageError)):
        READER.decode(subject, body)


def test_an_observatory_says_site_size_and_checksum():
    event = FileStored(site="tst", key="data/a.fits", size_bytes=3, sha256="0" * 64, correlation_id="night-7")
    found = READER.decode(event.subject, event.encode())
    (arrival,) = found.arrivals
    assert (arrival.origin, arrival.site, arrival.key) == (Origin.OBSERVATORY, "tst", "data/a.fits")
    assert (arrival.size_bytes, arrival.sha256) == (3, "0" * 64)
    assert found.correlation_id == arrival.correlation_id == "night-7"


def test_an_observatory_announces_only_under_its_own_name():
    event = FileStored(site="tst", key="data/a.fits")
    with pytest.raises(UnreadableMessageError, match=r"site 'tst' on 'observatory\.mrc\.image\.new'"):
        READER.decode("observatory.mrc.image.new", event.encode())


def test_a_file_the_api_took_in_is_an_arrival():
    event = FileUploaded(key="data/a.jpg", size_bytes=5, sha256="a" * 64, site="tst")
    (arrival,) = READER.decode(event.subject, event.encode()).arrivals
    assert (arrival.key, arrival.origin, arrival.site) == ("data/a.jpg", Origin.UPLOAD, "tst")
    assert (arrival.size_bytes, arrival.sha256, arrival.correlation_id) == (5, "a" * 64, event.correlation_id)
