"""Every version of every event ever published can be read for ever, and is written as it was promised."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from datalab.events import (
    analysis,
    archives,
    asyncapi,
    ephemeris,
    feed,
    frames,
    offers,
    operations,
    previews,
    processes,
    site_images,
    site_status,
)
from support.goldens import DATA, check_golden

ENVELOPE = {
    "event_id": "0b7e6a52-7c3f-4a55-9a7c-3f1f0f6a0001",
    "occurred_at": datetime(2026, 11, 20, 23, 20, 34, 193890, tzinfo=UTC),
    "correlation_id": "0b7e6a52-7c3f-4a55-9a7c-3f1f0f6a0002",
    "producer": "golden",
}
SHA256 = "57ca906d" * 8
ATTEMPT = {"operation_id": 7, "attempt": 1, **ENVELOPE}
OUTPUT = operations.OutputFile(
    basename=SHA256,
    type="fits",
    files={
        "fits": operations.StoredFile(
            key=f"results/{SHA256}/{SHA256}.fits", sha256=SHA256, size_bytes=20160, media_type="application/fits"
        )
    },
    filter_name="rp",
    observation_date=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    target_name="M 15",
    notes=("fits_1: EXPTIME: 'long' is not a finite number: left out",),
)
FRAME = {
    "frame_id": 12,
    "basename": "tst-inst-20260504-00000412",
    "roles": ("fits_00", "jpg_10"),
    "observation_date": datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    "filter_name": "rp",
    "target_name": "M 15",
    "exposure_time_s": 12.5,
    "public_date": datetime(2027, 5, 4, tzinfo=UTC),
    "proposal_id": "LCO2026A-001",
}
SESSION = {"session_id": 3, "owner": "alice"}

EXAMPLES = [
    operations.OperationRequested(
        **ATTEMPT,
        session_id=3,
        operation="Median",
        lane="slow",
        parameters={"input_files": [{"source": "archive", "basename": "fits_1"}]},
        input_files=(
            operations.InputFile(
                source="archive", basename="fits_1", key="data/fits_1.fits.fz", sha256=SHA256, size_bytes=158400
            ),
        ),
    ),
    operations.OperationCancelRequested(**ATTEMPT),
    operations.OperationStarted(**ATTEMPT),
    operations.OperationProgressed(**ATTEMPT, fraction=0.25, message="Reading"),
    operations.OperationDelayed(**ATTEMPT, reason="the object store does not answer"),
    operations.OperationSucceeded(
        **ATTEMPT,
        result=operations.OperationResult(
            result_key=SHA256,
            output_files=(OUTPUT,),
            output_data=({"period": None},),
            linked_files=(
                operations.LinkedFile(item=0, field="diagnostic_images", name="tst-01", file=OUTPUT.files["fits"]),
            ),
        ),
        reused=False,
        compute_s=1.5,
    ),
    operations.OperationFailed(**ATTEMPT, kind="usage", message="Operation Median requires at least 2 files."),
    operations.OperationCancelled(**ATTEMPT),
    frames.FileStored(**ENVELOPE, site="tst", key="info-images/tst-a.jpg", size_bytes=5, sha256=SHA256, channel=2),
    frames.FileUploaded(
        **ENVELOPE, key="people/ada/1/m31.fit", size_bytes=5, sha256=SHA256, owner="ada", file_name="m31.fit"
    ),
    frames.FrameIngested(**ENVELOPE, **FRAME, site="tst", key="data/a.fits", image_changed=True),
    frames.FileRejected(**ENVELOPE, site="tst", key="data/a\n.fits", reason="the name has 4 parts, should have 5"),
    frames.FileUnchanged(**ENVELOPE, site="tst", key="data/a.fits", reason="its frame has this file already"),
    frames.FrameRemovalRequested(**ENVELOPE, frame_id=12, basename="tst-inst-20260504-00000412", requested_by="alice"),
    frames.FrameRemoved(
        **ENVELOPE,
        site="tst",
        frame_id=12,
        basename="tst-inst-20260504-00000412",
        cause="expired",
        keys=("data/tst-inst-20260504-00000412-EF10.jpg",),
        public_date=datetime(2026, 5, 4, tzinfo=UTC),
        proposal_id="LCO2026A-001",
    ),
    site_images.InfoImageIngested(
        **ENVELOPE,
        site="tst",
        channel=2,
        basename="tst-inst-20260504-00000412",
        key="info-images/tst-inst-20260504-00000412-EX10.jpg",
        roles=("jpg_10", "txt_00"),
    ),
    site_images.AllskyImageIngested(
        **ENVELOPE,
        site="tst",
        basename="tst-allsky-20260504-00000412",
        key="allsky/tst-allsky-20260504-00000412-EX10.jpg",
        roles=("jpg_10",),
        taken_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    ),
    frames.FileRecordRequested(
        **ENVELOPE,
        site="tst",
        basename="tst1m012-ab12-20260504-0001-e91",
        role="fits",
        extension=".fits.fz",
        key="recorded/0123/tst1m012-ab12-20260504-0001-e91.fits.fz",
        size_bytes=158400,
        sha256=SHA256,
        md5="0123456789abcdef" * 2,
        record=frames.FrameRecord(
            observation_date=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
            observation_day="2026-05-04",
            proposal_id="LCO2026A-001",
            public_date=datetime(2027, 5, 4, tzinfo=UTC),
            reduction_level=91,
            headers={"OBJECT": "M 15", "EXPTIME": 12.5, "HASFLAT": True},
            area=((10.0, 41.0), (11.0, 41.0), (11.0, 42.0)),
        ),
    ),
    frames.FileRecordAnswered(**ENVELOPE, frame_id=12),
    previews.PreviewRequested(
        **ENVELOPE,
        basename="tst-inst-20260504-00000412",
        source=previews.PreviewSource(content="jpeg", key="data/a.jpg", sha256=SHA256, size_bytes=5),
        wanted=(previews.WantedPreview(kind="thumbnail", role="jpg_11", key="previews/57/ca906d57ca906d57/a.jpg"),),
    ),
    previews.PreviewMade(
        **ENVELOPE,
        basename="tst-inst-20260504-00000412",
        source_sha256=SHA256,
        previews=(
            previews.MadePreview(
                role="jpg_11",
                key="previews/57/ca906d57ca906d57/a.jpg",
                sha256=SHA256,
                size_bytes=5,
                etag="0123",
                stored_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
            ),
        ),
    ),
    previews.PreviewFailed(
        **ENVELOPE, basename="tst-inst-20260504-00000412", source_sha256=SHA256, reason="the JPEG is cut short"
    ),
    offers.OperationDescribed(
        **ENVELOPE, name="Median", version=1, lane="slow", wizard={"name": "Median"}, parameters_schema={}
    ),
    analysis.AnalysisDescribed(
        **ENVELOPE, action="line-profile", description="The levels along a line.", parameters_schema={"type": "object"}
    ),
    processes.ProcessDescribed(
        **ENVELOPE,
        process_id="0b7e6a52-7c3f-4a55-9a7c-3f1f0f6a0003",
        service="operation-runner",
        host="runner-1",
        version="0.1.0",
        started_at=datetime(2026, 11, 20, 20, 0, 0, tzinfo=UTC),
        dependencies={"bus": "ok", "objects": "no answer within 2 s"},
        slots={"runner-fast": 2, "runner-slow": 1},
        in_hand=(
            processes.WorkInHand(
                consumer="runner-slow",
                what="Median, operation 12",
                since=datetime(2026, 11, 20, 23, 19, 1, tzinfo=UTC),
            ),
        ),
    ),
    analysis.AnalysisRequested(
        **ENVELOPE,
        action="line-profile",
        parameters={"width": 100, "x1": 2.5},
        file=operations.InputFile(
            source="archive", basename="fits_1", key="data/fits_1.fits.fz", sha256=SHA256, size_bytes=158400
        ),
        answer_within_s=10,
    ),
    analysis.AnalysisAnswered(
        **ENVELOPE,
        links={"tif_url": {"key": "downloads/a.tif", "media_type": "image/tiff", "filename": "fits_1.tif"}},
    ),
    archives.ArchiveRequested(
        **ENVELOPE, key="downloads/zips/a.zip", list_key="downloads/zips/a.json", answer_within_s=8
    ),
    ephemeris.SiteNightRequested(
        **ENVELOPE,
        latitude_deg=31.33,
        longitude_deg=-100.46,
        height_m=640.0,
        air=ephemeris.AirAtSite(pressure_hpa=867.25, temperature_c=10.0),
        unix_s=1718000000.0,
        utc_offset_s=-18000.0,
        answer_within_s=5,
    ),
    ephemeris.MoonPassagesRequested(
        **ENVELOPE,
        latitude_deg=34.0,
        longitude_deg=-119.0,
        start_s=1656633600.0,
        stop_s=1657238400.0,
        answer_within_s=5,
    ),
    feed.OperationChanged(
        **ENVELOPE,
        **SESSION,
        operation_id=7,
        attempt=1,
        name="Median",
        status="COMPLETED",
        operation_progress=1.0,
        message="",
    ),
    feed.OperationDeleted(**ENVELOPE, **SESSION, operation_id=7),
    feed.SessionChanged(**ENVELOPE, **SESSION, name="My session"),
    feed.SessionAccessChanged(**ENVELOPE, **SESSION),
    feed.SessionDeleted(**ENVELOPE, **SESSION),
    feed.FrameChanged(**ENVELOPE, **FRAME, site="tst", image_changed=True),
    feed.FrameDeleted(
        **ENVELOPE,
        site="tst",
        frame_id=12,
        basename="tst-inst-20260504-00000412",
        cause="requested",
        public_date=datetime(2026, 5, 4, tzinfo=UTC),
        proposal_id="LCO2026A-001",
    ),
    feed.FileRefused(**ENVELOPE, site="tst", key="data/a.fits", reason="no image"),
    feed.InfoImageChanged(
        **ENVELOPE, site="tst", channel=2, basename="tst-inst-20260504-00000412", roles=("jpg_10", "txt_00")
    ),
    feed.SiteConfigured(**ENVELOPE, site="tst", version=7),
    feed.NightLogChanged(**ENVELOPE, site="tst", created_timestamp=1777863721),
    feed.SiteLogAdded(**ENVELOPE, site="tst", message="Opening", log_level="INFO", timestamp=1777863721),
    feed.SitePhaseChanged(**ENVELOPE, site="tst", message="Flats", timestamp=1777863721.25),
    site_status.SiteStatusChanged(
        **ENVELOPE,
        site="tst",
        kind="device",
        status={"mount": {"mount_1": {"ra": {"val": 12.5, "timestamp": 1777863721250}}}},
        server_timestamp_ms=1777863721250,
    ),
    feed.ItemEnqueued(**ENVELOPE, site="tst", item_id="1741550137123_00012a9c", sender="tst"),
    feed.JobChanged(**ENVELOPE, site="tst", job={"site": "tst", "ulid": "01DZVY846T", "statusId": "UNREAD#01DZVY846T"}),
]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_event_is_written_as_promised(event, update_goldens):
    check_golden(f"events/{event.type}.json", json.loads(event.encode()), update=update_goldens)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_promised_event_is_read(event):
    golden = (DATA / f"events/{event.type}.json").read_bytes()
    assert type(event).decode(golden) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_reader_ignores_what_a_later_version_adds(event):
    golden = json.loads((DATA / f"events/{event.type}.json").read_bytes())
    assert type(event).decode(json.dumps({**golden, "added_later": [1, 2]}).encode()) == event


def test_every_published_event_has_an_example():
    assert {event.type_name() for event, _ in asyncapi.EVENTS} == {event.type for event in EXAMPLES}


def test_every_event_of_the_feed_can_be_heard():
    published = {event.type_name() for event, _ in asyncapi.EVENTS}
    heard = {event.type_name() for event in get_args(get_args(feed.FeedEvent)[0])}
    assert {name for name in published if name.startswith("feed.")} == heard


def test_every_golden_is_still_an_event():
    assert {path.stem for path in (DATA / "events").glob("*.json")} == {event.type for event in EXAMPLES}


def test_subject_matches_the_documented_address():
    addresses = {event.type_name(): address for event, address in asyncapi.EVENTS}
    for event in EXAMPLES:
        if event.type.endswith(".described.v1"):  # kept in a key-value bucket, whose keys are its subjects
            continue
        if event.type in {"analysis.answered.v1", "file.record_answered.v1"}:  # sent to the inbox of whoever asked
            continue
        documented = addresses[event.type].split(".")
        given = event.subject.split(".")
        assert len(documented) == len(given)
        assert all(want == have or want.startswith("{") for want, have in zip(documented, given, strict=True))
