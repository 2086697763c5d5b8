"""The software of an observatory, as far as it sends files."""

import asyncio
import http.client
import json
from urllib.parse import urlsplit

from urllib3.filepost import encode_multipart_formdata


class ObservatoryClient:
    """The two steps of its fast queue: raw requests, nothing added by a library of ours, the store's answer ignored."""

    def __init__(self, world):
        self._api = urlsplit(world.url)

    async def send(self, name, content, **more):
        return await asyncio.to_thread(self._send, name, content, more)

    def _send(self, name, content, more):
        asked = self._post("/api//upload/", json.dumps({"object_name": name, "s3_directory": "data", **more}))
        offer = json.loads(asked)  # whatever the status
        parts = [*offer["fields"].items(), ("file", (f"C:\\ptr\\archive\\tst\\{name}", content))]
        body, content_type = encode_multipart_formdata(parts)
        url = urlsplit(offer["url"])
        assert url.netloc == self._api.netloc
        return self._post(url.path, body, {"Content-Type": content_type})

    def _post(self, path, body, headers=None):
        connection = http.client.HTTPConnection(self._api.netloc, timeout=30)
        try:
            connection.putrequest("POST", path, skip_accept_encoding=True)
            content = body if isinstance(body, bytes) else body.encode()
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            self.reply = connection.getresponse()
            return self.reply.read()
        finally:
            connection.close()
