"""The clients of Photon Ranch there are, as far as they speak to the API: the same requests, through the same library.

What they ignore is ignored here, too. Facts from the sources of ptr-observatory, of its helper scripts and of its user
interface; `requests` is what they use.
"""

import asyncio
import io
import json
import time
from contextlib import asynccontextmanager

import numpy as np
import requests
from astropy.io import fits
from PIL import Image
from websockets.asyncio.client import connect

from support.fits_files import image_header, pixels
from support.waiting import until


class Observatory:
    """The observatory's computer. It has no credentials, names no content type, and joins addresses with a slash."""

    def __init__(self, server):
        self._server = server
        self._api = f"{server}/api"

    def request(self, method, uri, payload=None, *, timeout=10):
        """Return the JSON of a reply, whatever its status."""
        body = None if payload is None else json.dumps(payload)
        self.reply = requests.request(method, f"{self._api}/{uri}", data=body, timeout=timeout)
        assert "Content-Type" not in self.reply.request.headers
        return self.reply.json()

    def put_config(self, site, config):
        """Return what its log says; it would loop for ever on anything but JSON, and exit on one certain message."""
        reply = self.request("PUT", f"{site}/config/", config)
        if "message" in reply:
            if reply["message"] == "Missing Authentication Token":
                raise SystemExit
            return f"warning: {reply['message']}"
        if reply.get("ResponseMetadata", {}).get("HTTPStatusCode") == 200:
            return "Config uploaded successfully."
        return "unclear"

    def upload(self, name, content, *, info_channel=None, posts=1):
        """Do both steps of its queues; return the last answer of the store, which it does not look at."""
        body = {"object_name": name, "s3_directory": "data"}
        if info_channel is not None:
            body |= {"s3_directory": "info-images", "info_channel": info_channel}
        offer = self.request("POST", "/upload/", body)
        for _ in range(posts):
            form = {"file": (f"/home/ptr/archive/tst/{name}", io.BytesIO(content))}
            answer = requests.post(offer["url"], data=offer["fields"], files=form, timeout=10)
        return answer

    def send_status(self, site, kind, status):
        """Tell how one kind of its things is; it does not look at the answer."""
        data = json.dumps({"statusType": kind, "status": status})
        self.reply = requests.post(f"{self._server}/status/{site}/status/", data=data, timeout=20)

    def enclosure(self, wema):
        """Return what the weather station says of the roof, as the observatory reads it: values without their times."""
        status = requests.get(f"{self._server}/status/{wema}/enclosure/", timeout=20).json()
        return {key: value["val"] for key, value in status["status"]["enclosure"]["enclosure1"].items()}

    def send_to_user(self, site, text, level="INFO"):
        """Say something to whoever looks on; it does not look at the answer."""
        body = {"site": site, "log_message": str(text), "log_level": str(level), "timestamp": time.time()}
        self.reply = requests.post(f"{self._server}/logs/newlog", json.dumps(body), timeout=20)


class Script:
    """`up.py` of the helper scripts, run with its options: `-s3`, `-c`, `-ss`, `-t`, and the letters of its files."""

    def __init__(self, server):
        self._server = server

    def run(self, *, site="tst", letters="hj", data_type="e", s3="data", c=1, ss=0):
        """Send an exposure, or as many as the smart stack has; return their base names."""
        stack = f"ssk_id_{int(time.time())}"
        sent = []
        for number in range(ss or 1):
            base = self._next(site)
            cards = {"SMARTSTK": stack, "SSTKNUM": number, "SSTKLEN": ss} if ss else {"SMARTSTK": "no"}
            for name, content in exposure(base, letters, data_type.upper(), cards):
                self._send(name, content, s3=s3, channel=c)
            sent.append(base)
            if s3 == "data":
                self._wait_until_latest(site, base)
        return sent

    def _next(self, site):
        latest = requests.get(f"{self._server}/api/{site}/latest_images/1", timeout=30).json()
        number = int(latest[0]["base_filename"].split("-")[-1]) + 1
        return f"{site}-inst-{time.strftime('%Y%m%d', time.gmtime())}-{number:08d}"

    def _wait_until_latest(self, site, base):
        """Who runs it for a stack waits in between, or one number would be used twice."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            latest = requests.get(f"{self._server}/api/{site}/latest_images/1", timeout=30).json()
            if latest[0]["base_filename"] == base:
                return
            time.sleep(0.05)
        raise TimeoutError(base)

    def _send(self, name, content, *, s3, channel):
        body = {"object_name": name, "s3_directory": s3, "info_channel": channel}
        offer = requests.post(f"{self._server}/test/upload", data=json.dumps(body), timeout=30).json()
        answer = requests.post(offer["url"], data=offer["fields"], files={"file": (name, content)}, timeout=30)
        assert answer.status_code == 204, answer.text


def exposure(base, letters, data_type, cards=None):
    """Yield names and contents of an exposure's files: h header, j JPEG, t thumbnail, f small FITS, F large FITS."""
    header = image_header(
        **{"DATE-OBS": now_text(), "DAY-OBS": base.split("-")[2], "SITEID": base.split("-")[0], **(cards or {})}
    )
    if "h" in letters:
        yield f"{base}-{data_type}00.txt", str(header).encode()
    if "j" in letters:
        yield f"{base}-{data_type}10.jpg", jpeg(900)
    if "t" in letters:
        yield f"{base}-{data_type}11.jpg", jpeg(128)
    for letter, level in (("f", "10"), ("F", "00")):
        if letter in letters:
            yield f"{base}-{data_type}{level}.fits.fz", packed(header)


def now_text():
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}"


def jpeg(side):
    """Return a square picture."""
    ramp = np.linspace(0, 255, side * side).reshape(side, side).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "JPEG")
    return buffer.getvalue()


def packed(header):
    """Return a `.fits.fz` with the image where observatories have it, behind an empty primary HDU."""
    buffer = io.BytesIO()
    image = fits.CompImageHDU(pixels(), header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(buffer)
    return buffer.getvalue()


class Listener:
    """The user interface's connection to the datastreamer: everything it hears, in order."""

    def __init__(self, connection):
        self._connection = connection
        self.frames = []

    async def listen(self):
        async for text in self._connection:
            self.frames.append(json.loads(text))

    async def choose(self, site):
        await self._connection.send(json.dumps({"action": "updatesubscribersite", "site": site}))

    def about(self, base):
        """Return what was said of an image so far."""
        return [data for data in self.topic("imagedata") if data["base_filename"] == base]

    def topic(self, name):
        """Return what was said on a topic so far."""
        return [frame["data"] for frame in self.frames if frame["topic"] == name]

    async def heard(self, base, *, times=1):
        """Wait until an image was spoken of so often; return what was said."""
        await until(lambda: len(self.about(base)) >= times)
        return self.about(base)


@asynccontextmanager
async def listening(server, site):
    """Connect as the user interface does."""
    async with connect(f"{server.replace('http', 'ws', 1)}/dev?site={site}", proxy=None, close_timeout=1) as connection:
        listener = Listener(connection)
        task = asyncio.create_task(listener.listen())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.wait([task])
