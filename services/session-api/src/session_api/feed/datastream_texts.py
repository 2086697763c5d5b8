"""What clients of Photon Ranch's datastreamer are told: `{"site": …, "topic": …, "data": {…}}` and nothing else.

`imagedata`: a site's images are others than before; who hears it reads the image by REST. `jobs`: a job as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from datalab.events.feed import FeedEvent, FrameChanged, InfoImageChanged, JobChanged
from datalab.events.object_keys import DATA, INFO_IMAGES


def datastream_text(event: FeedEvent) -> str | None:
    """Return what is said of an event, None if nothing."""
    match event:
        case FrameChanged(image_changed=True):
            return _text(event.site, "imagedata", _image(event.site, event.basename, DATA))
        case InfoImageChanged():
            image = _image(event.site, event.basename, INFO_IMAGES)
            return _text(event.site, "imagedata", {**image, "channel": event.channel})
        case JobChanged():
            return _text(event.site, "jobs", event.job)
        case _:
            return None


def _image(site: str, basename: str, folder: str) -> dict[str, object]:
    return {"s3_directory": folder.removesuffix("/"), "base_filename": basename, "site": site}


def _text(site: str, topic: str, data: Mapping[str, object]) -> str:
    return json.dumps({"site": site, "topic": topic, "data": data})
