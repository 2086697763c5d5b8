"""`imagedata`: what user interfaces of Photon Ranch are told when a site's images are others than before.

The text is what its datastreamer sends: `{"site": …, "topic": "imagedata", "data": {…}}` and nothing else. Who hears it
reads the image by REST.
"""

from __future__ import annotations

import json

from datalab.events.feed import FeedEvent, FrameChanged, InfoImageChanged
from datalab.events.object_keys import DATA, INFO_IMAGES


def imagedata(event: FeedEvent) -> str | None:
    """Return what is said of an event, None if nothing."""
    more: dict[str, int] = {}
    match event:
        case FrameChanged(image_changed=True):
            folder = DATA
        case InfoImageChanged():
            folder, more = INFO_IMAGES, {"channel": event.channel}
        case _:
            return None
    data = {"s3_directory": folder.removesuffix("/"), "base_filename": event.basename, "site": event.site, **more}
    return json.dumps({"site": event.site, "topic": "imagedata", "data": data})
