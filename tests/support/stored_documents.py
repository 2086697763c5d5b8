"""One of each kind of document, as the services write it."""

from datetime import UTC, datetime, timedelta

from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.frame import FrameDocument, FrameFile, PreviewState
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.frame_tally import TallyCell, TallyDocument, packed_counts
from datalab.documents.info_image import ChannelImage, InfoImageDocument
from datalab.documents.removed_frame import RemovedFrame
from datalab.documents.upload_ticket import TicketState, UploadTicket
from datalab.events.operations import (
    FailureKind,
    InputFile,
    InputSource,
    Lane,
    LinkedFile,
    OperationResult,
    OutputFile,
    StoredFile,
)
from session_api.accounts.model import Account, AuditEntry, LoginTries, Origin, Password, Purpose, Scope, Token
from session_api.control_rooms.model import ControlRoom, Room
from session_api.groups.model import Group
from session_api.jobs.model import Job
from session_api.night_logs.model import Note
from session_api.operations.inputs import FoundFile
from session_api.operations.model import Draft, Operation, OperationRequest, OperationStatus, Parent
from session_api.operations.restrictions import Restriction
from session_api.operations.session_rights import Role
from session_api.pipe_statuses.model import PipeStatus
from session_api.queues.model import Item, Queue
from session_api.sessions.model import Session, SessionLink, Share
from session_api.site_logs.model import MessageKind, SiteMessage
from session_api.sites.model import ConfigurationVersion, SiteConfiguration
from session_api.status.model import SiteStatus, StatusSnapshot
from session_api.uploads.model import version_of
from session_api.uploads.personal.model import PersonalUpload, UploadState

BEGINNING = datetime(2026, 11, 20, 21, 30, 15, 250_000, tzinfo=UTC)
_INPUT = InputFile(
    source=InputSource.ARCHIVE, basename="m31_1", key="data/m31_1.fits.fz", sha256="a" * 64, size_bytes=158_400
)
_REQUEST = OperationRequest(lane=Lane.SLOW, parameters={"input_files": ["m31_1"], "n": 2}, input_files=(_INPUT,))
_PICTURE = StoredFile(key="results/k/k-1-large.jpg", sha256="b" * 64, size_bytes=9, media_type="image/jpeg")
_IMAGE = StoredFile(key="results/k/k-1.fits", sha256="c" * 64, size_bytes=80, media_type="image/fits")


def operation(status, **changes):
    values = {
        "id": 7,
        "session_id": 3,
        "owner": "ada",
        "name": "Median",
        "status": status,
        "message": "",
        "progress": 0.0,
        "input_data": {"input_files": [{"source": "archive", "basename": "m31_1", "extra": None}], "zmin": 1.5},
        "request": OperationRequest(
            lane=Lane.SLOW, parameters={"input_files": ["m31_1"], "n": 2}, input_files=(_INPUT,)
        ),
        "attempt": 1,
        "result": None,
        "failure_kind": None,
        "created": BEGINNING,
        "requested_at": BEGINNING,
        "started_at": None,
        "finished_at": None,
        "last_news_at": BEGINNING,
        "correlation_id": "c-1",
        "revision": 1,
    }
    return Operation(**{**values, **changes})


def pending():
    return operation(OperationStatus.PENDING)


def waiting():
    draft = Draft(
        parents=(Parent(5, "Stacking"), Parent(6, "Median")), found=(FoundFile(file=_INPUT, filter_name="V"),)
    )
    return operation(OperationStatus.WAITING, message="Waiting for operation 5 (Stacking)", request=draft)


def completed():
    result = OperationResult(
        result_key="d" * 64,
        output_files=(
            OutputFile(
                basename="k-1",
                type="fits",
                files={"fits": _IMAGE, "large": _PICTURE},
                filter_name="V",
                observation_date=BEGINNING,
                target_name="M31",
            ),
        ),
        output_data=({"rms": 0.25, "name": "star"}, [1, None]),
        linked_files=(LinkedFile(item=0, field="pictures", name="overlay", file=_PICTURE),),
        output_data_file=StoredFile(
            key="results/k/data.json", sha256="e" * 64, size_bytes=2_000_000, media_type="application/json"
        ),
    )
    return operation(
        OperationStatus.COMPLETED,
        progress=1.0,
        result=result,
        started_at=BEGINNING,
        finished_at=BEGINNING + timedelta(seconds=2),
        revision=4,
    )


def failed():
    return operation(
        OperationStatus.FAILED,
        message="The images do not overlap.",
        failure_kind=FailureKind.USAGE,
        finished_at=BEGINNING + timedelta(seconds=1),
        attempt=2,
    )


def session():
    return Session(
        id=3,
        owner="ada",
        name="First light",
        input_data=({"source": "archive", "basename": "m31_1", "n": 2},),
        created=BEGINNING,
        accessed=BEGINNING,
        modified=BEGINNING,
        revision=1,
    )


def shared_session():
    shares = (
        Share(user="bob", role=Role.EDITOR, since=BEGINNING),
        Share(group=5, role=Role.VIEWER, since=BEGINNING),
    )
    link = SessionLink(hash="f" * 64, since=BEGINNING)
    return session().model_copy(update={"shares": shares, "link": link, "joint": True})


def shared_operation():
    """Return one on a closed output of bob's, started by ada."""
    restrictions = (Restriction(proposal_id="P1", public_date=None, shown_by="bob"),)
    return operation(OperationStatus.PENDING, request=_REQUEST.model_copy(update={"restrictions": restrictions}))


def group():
    return Group(
        id=5, name="Variable Stars", canonical="variable stars", owner="ada", members=("ada", "bob"), created=BEGINNING
    )


def account():
    return Account(
        username="Ada", canonical="ada", active=True, superuser=False, proposals=("P1", "P2"), created=BEGINNING
    )


def account_with_roles():
    return Account(
        username="jwt|auth0|5f2a",
        active=True,
        superuser=False,
        proposals=(),
        ingests=("tst", "mrc"),
        observatories=("tst",),
        operator=True,
        origin=Origin.ISSUER,
        created=BEGINNING,
    )


def token():
    return Token(
        token_hash="d4fc1db665446507dc51b0c9392dd9649291581bfe1b48e241b2b08032b3b647",
        username="Ada",
        created=BEGINNING,
        purpose=Purpose.LOGIN,
        scopes=(Scope.READ, Scope.WRITE),
        expires_at=BEGINNING,
    )


def password():
    return Password(username="Ada", hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", changed=BEGINNING)


def login_tries():
    return LoginTries(name_hash=64 * "0", failures=5, locked_until=BEGINNING, expires_at=BEGINNING)


def audit_entry():
    return AuditEntry(
        request_id="8b98e2c8-442c-4732-934f-a3103a621702",
        at=BEGINNING,
        username="Ada",
        address="127.0.0.1",
        method="DELETE",
        route="/api/datasessions/{session_id}",
        about={"session_id": "7"},
        status=204,
        expires_at=BEGINNING,
    )


def full_frame():
    base = "tst-cam01-20261120-00000042"
    return FrameDocument(
        basename=base,
        frame_id=9,
        site="tst",
        data_type="EX",
        files={"fits_01": _file(f"data/{base}-EX01.fits.fz"), "txt_00": _file(f"data/{base}-EX00.txt")},
        observation_date=BEGINNING,
        right_ascension_deg=10.684,
        declination_deg=41.269,
        altitude_deg=60.5,
        azimuth_deg=120.25,
        airmass=1.15,
        exposure_time_s=30.0,
        filter_name="V",
        username="ada",
        user_id="u-1",
        target_name="M31",
        proposal_id="P1",
        observation_id="o-1",
        request_id="r-1",
        site_id="tst",
        telescope_id="t1",
        instrument_id="cam01",
        observation_day="20261120",
        reduction_level=1,
        configuration_type="EXPOSE",
        public_date=BEGINNING.replace(year=2027),
        header_id=f"{base}/{'a' * 64}",
        cards={"L1IDFLAT": "tst0m4-flat-e91.fits.fz", "TARFILE": 2**70},
        header_terms=("EXPTIME=30", "NU\0L=x", "OBJECT=m31"),
        header_source="text",
        header_role="txt_00",
        notes=("card 7 cannot be read",),
        footprint=((10.0, 41.0), (11.0, 41.0), (11.0, 42.0), (10.0, 42.0)),
        created=BEGINNING,
        modified=BEGINNING,
    )


def frame_header():
    return HeaderDocument(
        header_id=full_frame().header_id,
        basename=full_frame().basename,
        cards={"SIMPLE": True, "EXPTIME": 30.0, "BIG": 2**70, "NU\0L": "x", "OBJECT": "M31", "COMMENT": "a\nb"},
        doubtful_since=BEGINNING,
    )


def frame_tally():
    seen = TallyCell(values=(2, "P1", "tst", "t1", "cam01", "V", "EXPOSE", 1), counts=packed_counts({0: 3, 30: 70_000}))
    return TallyDocument(month="2026-10", revision=4, cells=(seen,), marked={"02": BEGINNING}, tallied_at=BEGINNING)


def bare_frame():
    base = "tst-cam01-20261120-00000043"
    picture = FrameFile(
        key=f"data/{base}-EX10.jpg",
        size_bytes=10,
        sha256="b" * 64,
        etag="",
        media_type="image/jpeg",
        stored_at=BEGINNING,
    )
    return FrameDocument(
        basename=base,
        frame_id=10,
        site="tst",
        files={"jpg_10": picture},
        site_id="tst",
        created=BEGINNING,
        modified=BEGINNING,
    )


def pictured_frame():
    """Return a frame of which one picture was made, and another cannot be."""
    frame = bare_frame()
    thumbnail = FrameFile(
        key=f"previews/aa/{'a' * 16}/{frame.basename}-EX11.jpg",
        size_bytes=9,
        sha256="c" * 64,
        etag="d" * 32,
        media_type="image/jpeg",
        stored_at=BEGINNING,
        made_of="a" * 64,
    )
    waiting = PreviewState(source_sha256="b" * 64, due=BEGINNING + timedelta(minutes=15), asked=1, problem="cut short")
    return frame.model_copy(update={"files": {**frame.files, "jpg_11": thumbnail}, "preview": waiting})


def _file(key):
    return FrameFile(
        key=key, size_bytes=158_400, sha256="a" * 64, etag="f" * 32, media_type="image/fits", stored_at=BEGINNING
    )


def upload_ticket():
    return UploadTicket(
        ticket_id="d" * 64,
        key="info-images/tst-cam01-20261120-00000042-EX10.jpg",
        site="tst",
        channel=2,
        state=TicketState.STORED,
        max_bytes=4 * 1024**3,
        asked_at=BEGINNING,
        expires_at=BEGINNING + timedelta(seconds=300),
        kept_until=BEGINNING + timedelta(days=3),
        sha256="e" * 64,
        size_bytes=98_987,
        stored_at=BEGINNING + timedelta(seconds=2),
    )


def info_image():
    base = "tst-cam01-20261120-00000042"
    image = ChannelImage(
        basename=base,
        data_type="EX",
        file_date="20261120",
        files={"txt_00": _file(f"info-images/{base}-EX00.txt")},
        header={"OBJECT": "M31"},
        header_role="txt_00",
        first_asked={"txt_00": BEGINNING},
        last_asked={"txt_00": BEGINNING + timedelta(seconds=5)},
    )
    return InfoImageDocument(
        place="tst#2",
        basename=base,
        data_type="EX",
        file_date="20261120",
        files=image.files,
        header=image.header,
        images=(image,),
        created=BEGINNING,
        revision=3,
        expires_at=BEGINNING + timedelta(days=2),
    )


def allsky_image():
    base = "tst-allsky-20261120-00000042"
    return AllskyImageDocument(
        basename=base,
        site="tst",
        data_type="EX",
        file_date="20261120",
        files={"jpg_10": _file(f"allsky/{base}-EX10.jpg"), "txt_00": _file(f"allsky/{base}-EX00.txt")},
        header={"OBJECT": "sky"},
        header_role="txt_00",
        observation_date=BEGINNING,
        taken_at=BEGINNING,
        created=BEGINNING,
        revision=2,
        expires_at=BEGINNING + timedelta(days=7),
    )


def removed_frame():
    return RemovedFrame(
        frame_id=9,
        basename="tst-cam01-20261120-00000042",
        site="tst",
        cause="expired",
        public_date=BEGINNING.replace(year=2027),
        proposal_id="P1",
        removed_at=BEGINNING,
        forgotten_at=BEGINNING + timedelta(days=90),
    )


def file_version():
    return version_of(
        key="data/m31.fits", size_bytes=80, etag="0123", stored_at=BEGINNING, replaced_at=BEGINNING + timedelta(days=1)
    )


def personal_upload():
    return PersonalUpload(
        upload_id="upload-0c0ffee0-0000-4000-8000-000000000001",
        owner="ada",
        file_name="M 31 [Ha].FIT",
        key="people/ada/upload-0c0ffee0-0000-4000-8000-000000000001/M 31 _Ha_.fits",
        size_bytes=12_000_000,
        sha256="f" * 64,
        part_bytes=8 * 1024**2,
        parts={"1": "a" * 64, "2": "b" * 64},
        state=UploadState.INGESTED,
        frame="ada~M 31 _Ha_",
        created=BEGINNING,
        modified=BEGINNING + timedelta(seconds=9),
    )


def site_configuration():
    configuration = {"latitude": 31.5, "elevation": 20.0, "events": {"day_directory": "20261120", "$a.b": None}}
    return SiteConfiguration(site="tst", configuration=configuration, size_bytes=98, modified=BEGINNING)


def control_room():
    """Return a room that people can enter."""
    room = Room(
        slug="control-room-tst-ab12",
        room_id="5f1e",
        url="https://meet.example/control-room-tst-ab12",
        config={"url": "https://dev.photonranch.org/cr/tst"},
    )
    return ControlRoom(site="tst", revision=2, room=room, opened_at=BEGINNING)


def configuration_version():
    former = site_configuration().model_copy(update={"version": 3, "by": "ada"})
    return ConfigurationVersion.of(former)


def note():
    return Note(
        number=4,
        site="tst",
        by="ada",
        created_timestamp=1_795_210_215,
        ttl_timestamp_seconds=1_795_383_015,
        note_data={"message": "Cloudy", "ttl_hours": 48, "$a.b": None},
        removed_at=BEGINNING,
        removed_by="root",
        kept_until=BEGINNING.replace(year=2027),
    )


def site_message():
    return SiteMessage(
        message_id="0b7e6a52-7c3f-4a55-9a7c-3f1f0f6a0001",
        site="tst",
        kind=MessageKind.LOG,
        timestamp=1_795_210_215,
        message="Opening",
        log_level="INFO",
        kept_until=BEGINNING + timedelta(days=7),
    )


def site_status():
    return SiteStatus(
        status_id="tst/weather",
        site="tst",
        kind="weather",
        status='{"observing_conditions":{"a.b":{"wx_ok":{"val":"Yes","timestamp":1795210215250}}}}',
        server_timestamp_ms=1_795_210_215_250,
        wx_ok=True,
        mark="0b7e6a52-7c3f-4a55-9a7c-3f1f0f6a0002",
    )


def status_snapshot():
    present = site_status()
    return StatusSnapshot(
        snapshot_id="tst/weather/5984034",
        site=present.site,
        kind=present.kind,
        status=present.status,
        server_timestamp_ms=present.server_timestamp_ms,
        kept_until=BEGINNING + timedelta(days=3),
    )


def queue():
    return Queue(
        queue_id="0c0ffee0-0000-4000-8000-000000000002",
        name="aro1",
        created=BEGINNING,
        last=7,
        room_items=93,
        room_bytes=268_000_000,
    )


def queue_item():
    return Item(
        item_id="1741550137123_00072a9c",
        queue_id="0c0ffee0-0000-4000-8000-000000000002",
        queue_name="aro1",
        sequence=7,
        payload='{"request":"EVA_process_files"}',
        size_bytes=31,
        sender="aro1",
        created_at=1741550137123,
        free_at=BEGINNING,
        deliveries=1,
        lease="0c0ffee0-0000-4000-8000-000000000003",
        expires_at=BEGINNING + timedelta(days=90),
        key_digest="e" * 64,
    )


def pipe_status():
    return PipeStatus(pipe_id="pipe-1", status="online", details='{"cpu_usage":"25%"}', last_updated=BEGINNING)


def job():
    return Job(
        ulid="01DZVY846T00000000XH4SXWBG",
        site="tst",
        sequence=1,
        timestamp_ms=1580411916506,
        device_type="camera",
        device_instance="camera1",
        action="expose",
        user_name="Ada",
        user_id="auth0|1",
        user_roles=("admin",),
        optional_params='{"bin":"1,1"}',
        required_params='{"time":"1"}',
        alternate_status="RECEIVED",
        alternate_status_again_at=BEGINNING + timedelta(seconds=30),
        seconds_until_complete=5,
        requested_by="ada",
        revision=2,
        expires_at=BEGINNING + timedelta(days=30),
    )
