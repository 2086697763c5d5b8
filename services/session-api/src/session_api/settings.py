"""Settings of the session API: those every service with documents has, and those of its capabilities."""

from __future__ import annotations

from datalab.platform.settings import DocumentServiceSettings
from session_api.accounts.settings import AccountSettings
from session_api.analysis.settings import AnalysisSettings
from session_api.control_rooms.settings import ControlRoomSettings
from session_api.downloads.settings import DownloadSettings
from session_api.ephemeris.settings import EphemerisSettings
from session_api.feed.settings import FeedSettings
from session_api.jobs.settings import JobSettings
from session_api.names.settings import NameSettings
from session_api.night_logs.settings import NightLogSettings
from session_api.operations.settings import OperationSettings
from session_api.queues.settings import QueueSettings
from session_api.site_logs.settings import SiteLogSettings
from session_api.sites.settings import SiteSettings
from session_api.status.settings import StatusSettings
from session_api.uploads.settings import UploadSettings
from session_api.web.settings import WebSettings


class SessionApiSettings(
    DocumentServiceSettings,
    WebSettings,
    AccountSettings,
    OperationSettings,
    AnalysisSettings,
    EphemerisSettings,
    FeedSettings,
    UploadSettings,
    NameSettings,
    DownloadSettings,
    ControlRoomSettings,
    SiteSettings,
    NightLogSettings,
    SiteLogSettings,
    StatusSettings,
    QueueSettings,
    JobSettings,
):
    """Each field is read from the environment as `DATALAB_<FIELD>`."""
