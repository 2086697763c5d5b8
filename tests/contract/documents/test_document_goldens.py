"""What was once stored can be read for ever, and what is stored today looks as it did."""

import json
from pathlib import Path

import pytest
from bson import json_util

from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.frame import FrameDocument
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.frame_tally import TallyDocument
from datalab.documents.info_image import InfoImageDocument
from datalab.documents.removed_frame import RemovedFrame
from datalab.documents.upload_ticket import UploadTicket
from session_api.accounts.model import Account, AuditEntry, LoginTries, Password, Token
from session_api.control_rooms.model import ControlRoom
from session_api.groups.model import Group
from session_api.jobs.model import Job
from session_api.night_logs.model import Note
from session_api.operations.model import Operation
from session_api.pipe_statuses.model import PipeStatus
from session_api.queues.model import Item, Queue
from session_api.sessions.model import Session
from session_api.site_logs.model import SiteMessage
from session_api.sites.model import ConfigurationVersion, SiteConfiguration
from session_api.status.model import SiteStatus, StatusSnapshot
from session_api.uploads.model import FileVersion
from session_api.uploads.personal.model import PersonalUpload
from support import stored_documents
from support.goldens import DATA, check_golden

#: As the services read: instants know that they are in UTC.
READ = json_util.RELAXED_JSON_OPTIONS.with_options(tz_aware=True)
WRITTEN = {
    "account": stored_documents.account(),
    "account.roles": stored_documents.account_with_roles(),
    "audit_entry": stored_documents.audit_entry(),
    "login_tries": stored_documents.login_tries(),
    "password": stored_documents.password(),
    "token": stored_documents.token(),
    "allsky_image": stored_documents.allsky_image(),
    "frame.bare": stored_documents.bare_frame(),
    "frame.full": stored_documents.full_frame(),
    "frame_header": stored_documents.frame_header(),
    "frame_tally": stored_documents.frame_tally(),
    "info_image": stored_documents.info_image(),
    "removed_frame": stored_documents.removed_frame(),
    "frame.pictured": stored_documents.pictured_frame(),
    "operation.completed": stored_documents.completed(),
    "operation.failed": stored_documents.failed(),
    "operation.pending": stored_documents.pending(),
    "operation.waiting": stored_documents.waiting(),
    "group": stored_documents.group(),
    "operation.shared": stored_documents.shared_operation(),
    "session": stored_documents.session(),
    "session.shared": stored_documents.shared_session(),
    "upload_ticket": stored_documents.upload_ticket(),
    "file_version": stored_documents.file_version(),
    "personal_upload": stored_documents.personal_upload(),
    "site_configuration": stored_documents.site_configuration(),
    "control_room": stored_documents.control_room(),
    "configuration_version": stored_documents.configuration_version(),
    "note": stored_documents.note(),
    "site_message": stored_documents.site_message(),
    "site_status": stored_documents.site_status(),
    "status_snapshot": stored_documents.status_snapshot(),
    "queue": stored_documents.queue(),
    "queue_item": stored_documents.queue_item(),
    "pipe_status": stored_documents.pipe_status(),
    "job": stored_documents.job(),
}
MODELS = {
    "account": Account,
    "audit_entry": AuditEntry,
    "login_tries": LoginTries,
    "password": Password,
    "token": Token,
    "allsky_image": AllskyImageDocument,
    "info_image": InfoImageDocument,
    "removed_frame": RemovedFrame,
    "frame": FrameDocument,
    "frame_header": HeaderDocument,
    "frame_tally": TallyDocument,
    "group": Group,
    "operation": Operation,
    "session": Session,
    "upload_ticket": UploadTicket,
    "file_version": FileVersion,
    "personal_upload": PersonalUpload,
    "site_configuration": SiteConfiguration,
    "control_room": ControlRoom,
    "configuration_version": ConfigurationVersion,
    "note": Note,
    "site_message": SiteMessage,
    "site_status": SiteStatus,
    "status_snapshot": StatusSnapshot,
    "queue": Queue,
    "queue_item": Item,
    "pipe_status": PipeStatus,
    "job": Job,
}
STORED = sorted(path.relative_to(DATA).as_posix() for path in (DATA / "documents").glob("*.json"))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_document_is_stored_as_it_was(name, update_goldens):
    stored = json.loads(json_util.dumps(WRITTEN[name].stored(), json_options=json_util.RELAXED_JSON_OPTIONS))
    check_golden(f"documents/{name}.json", stored, update=update_goldens)


@pytest.mark.parametrize("path", STORED)
def test_whatever_was_stored_can_be_read(path):
    stored = json_util.loads((DATA / path).read_text(encoding="utf-8"), json_options=READ)
    document = MODELS[Path(path).name.partition(".")[0]].read(stored)
    if Path(path).stem in WRITTEN:
        assert document == _without_what_no_document_holds(WRITTEN[Path(path).stem])


def test_results_of_the_first_version_lack_what_came_later():
    stored = stored_documents.completed().stored()
    del stored["draft"], stored["result"]["linked_files"], stored["result"]["output_data_file"]
    result = Operation.read(stored).result
    assert (result.linked_files, result.output_data_file) == ((), None)


def test_accounts_and_tokens_of_the_first_version_give_what_they_gave():
    def former(name):
        stored = (DATA / f"documents/{name}.former.json").read_text(encoding="utf-8")
        return MODELS[name].read(json_util.loads(stored, json_options=READ))

    account, token = former("account"), former("token")
    assert (account.operator, account.origin, account.speaks_for) == (False, "here", account.ingests)
    assert (token.scopes, token.expires_at, token.purpose) == (None, None, "given")
    assert account.user(token.scopes) == account.user()
    assert account.user().may_speak_for("tst") == account.user().may_ingest("tst") is True


def test_a_frame_with_its_header_in_it_keeps_what_lists_show():
    stored = json_util.loads((DATA / "documents/frame.former.json").read_text(encoding="utf-8"), json_options=READ)
    frame = FrameDocument.read(stored)
    assert (frame.header["OBJECT"], frame.header_id, frame.cards) == ("M31", None, {"SITEID": "tst"})
    assert "header" not in frame.stored()


@pytest.mark.parametrize("name", ["frame.former", "frame.with_problems"])
def test_a_frame_from_before_it_had_notes_has_its_problems_as_notes(name):
    stored = json_util.loads((DATA / f"documents/{name}.json").read_text(encoding="utf-8"), json_options=READ)
    frame = FrameDocument.read(stored)
    assert frame.notes == ("card 7 cannot be read",)
    # A change of the frame sets `notes` beside what is stored already: these count from then on.
    assert FrameDocument.read({**stored, "notes": []}).notes == ()
    assert "problems" not in frame.stored()


def test_a_session_from_before_it_could_be_shared_is_shared_with_nobody():
    stored = json_util.loads((DATA / "documents/session.former.json").read_text(encoding="utf-8"), json_options=READ)
    session = Session.read(stored)
    assert (session.shares, session.link, session.joint) == ((), None, False)
    assert session == stored_documents.session()


def _without_what_no_document_holds(document):
    """A header comes back as a document can hold it."""
    cards = document.stored().get("cards")
    return document.model_copy(update={"cards": cards}) if cards else document
