"""What user interfaces of Photon Ranch are told on the datastream, by topic.

The text is what its datastreamer sends: `{"site": …, "topic": …, "data": {…}}` and nothing else. `imagedata` says that
a site's images are others than before, `jobs` how a job is now.
"""

from __future__ import annotations

import json
from typing import Any

from datalab.events.feed import FeedEvent, FrameChanged, InfoImageChanged, JobChanged
from datalab.events.object_keys import DATA, INFO_IMAGES


def datastream_text(event: FeedEvent) -> str | None:
    """Return what is said of an event, None if nothing."""
    match event:
        case FrameChanged(image_changed=True):
            return _text("imagedata", event.site, _image(event, DATA))
        case InfoImageChanged():
            return _text("imagedata", event.site, {**_image(event, INFO_IMAGES), "channel": event.channel})
        case JobChanged():
            return _text("jobs", event.site, event.job)
        case _:
            return None


def _image(event: FrameChanged | InfoImageChanged, folder: str) -> dict[str, Any]:
    return {"s3_directory": folder.removesuffix("/"), "base_filename": event.basename, "site": event.site}


def _text(topic: str, site: str, data: dict[str, Any]) -> str:
    return json.dumps({"site": site, "topic": topic, "data": data})
