"""What user interfaces of Photon Ranch are told on the datastream, by topic.

The text is what its datastreamer sends: `{"site": …, "topic": …, "data": {…}}` and nothing else. `imagedata` says that
a site's images are others than before, `userstatus` and `phase_status` what its software says, `sitestatus` how it is,
`jobs` how a job is now.
"""

from __future__ import annotations

import json
from typing import Any

from datalab.events.feed import FeedEvent, FrameChanged, InfoImageChanged, JobChanged, SiteLogAdded, SitePhaseChanged
from datalab.events.object_keys import DATA, INFO_IMAGES
from datalab.events.site_status import SiteStatusChanged


def datastream_text(event: FeedEvent) -> str | None:
    """Return what is said of an event, None if nothing."""
    match event:
        case FrameChanged(image_changed=True):
            return _text("imagedata", event.site, _image(event, DATA))
        case InfoImageChanged():
            return _text("imagedata", event.site, {**_image(event, INFO_IMAGES), "channel": event.channel})
        case SiteLogAdded():
            said = {"message": event.message, "log_level": event.log_level, "timestamp": str(event.timestamp)}
            return _text("userstatus", event.site, {"site": event.site, **said})
        case SitePhaseChanged():
            ahead = {"site": event.site, "timestamp": event.timestamp, "message": event.message}
            return _text("phase_status", event.site, ahead)
        case JobChanged():
            return _text("jobs", event.site, event.job)
        case _:
            return None


def status_data(event: SiteStatusChanged) -> dict[str, Any]:
    """Return how a site is, as it is read by REST."""
    return {
        "site": event.site,
        "statusType": event.kind,
        "status": event.status,
        "server_timestamp_ms": event.server_timestamp_ms,
    }


def _image(event: FrameChanged | InfoImageChanged, folder: str) -> dict[str, Any]:
    return {"s3_directory": folder.removesuffix("/"), "base_filename": event.basename, "site": event.site}


def datastream_frame(topic: str, site: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return what is said on a topic."""
    return {"site": site, "topic": topic, "data": data}


def _text(topic: str, site: str, data: dict[str, Any]) -> str:
    return json.dumps(datastream_frame(topic, site, data))
