"""A night of exposures, four files each, as it comes from an observatory: shuffled, repeated, some of it damaged."""

import asyncio
import hashlib
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from io import BytesIO

import httpx
import numpy as np
from astropy.io import fits

from datalab.errors import TransientError
from datalab.events.frames import FileStored
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import header_text, jpeg_bytes
from support.chaos import insist

SITE = "sim"
#: The files of an exposure by role, and how their names end.
ENDINGS = {"txt_00": "EX00.txt", "jpg_10": "EX10.jpg", "fits_00": "EX00.fits.fz", "fits_10": "EX10.fits.fz"}
FORM = "multipart/form-data; boundary=datalab"


def packed(pixels, header):
    buffer = BytesIO()
    image = fits.CompImageHDU(pixels, header=header, name="SCI", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(buffer)
    return buffer.getvalue()


def reduced(pixels, header):
    """Return the small FITS file: every second pixel of every second row."""
    small = header.copy()
    for keyword in [name for name in small if name.startswith(("CTYPE", "CRVAL", "CRPIX", "CD1_", "CD2_"))]:
        del small[keyword]
    return packed(np.ascontiguousarray(pixels[::2, ::2]), small)


def _bytes_that_are(kind):
    return lambda _: kind


#: How files are damaged, and what their site reads about it, by role.
DAMAGES = {
    "txt_00": [
        (_bytes_that_are(b""), "is empty"),
        (_bytes_that_are(b"\x00\xff" * 40), "holds no header cards"),
    ],
    "jpg_10": [
        (_bytes_that_are(b""), "is empty"),
        (_bytes_that_are(b"<html>502 Bad Gateway</html>"), "not a JPEG"),
    ],
    "fits_00": [
        (lambda content: content[: len(content) // 2], ""),
        (_bytes_that_are(b"SIMPLE  = nonsense"), ""),
    ],
    "fits_10": [
        (_bytes_that_are(b""), "is empty"),
        (lambda content: b"\x00" * len(content), ""),
    ],
}


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as it is sent; with a `refusal`, it is damaged, and that is among the words for it."""

    base: str
    role: str
    content: bytes
    refusal: str | None = None

    @property
    def name(self):
        return f"{self.base}-{ENDINGS[self.role]}"

    @property
    def key(self):
        return f"data/{self.name}"

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Night:
    """Files by base name, the headers they have, and the order in which they are sent, some of them twice."""

    headers: dict
    files: dict
    order: list

    @property
    def good(self):
        return {base: {file.role: file for file in files if file.refusal is None} for base, files in self.files.items()}

    @property
    def damaged(self):
        return [file for files in self.files.values() for file in files if file.refusal is not None]


def made_night(exposures, *, seed=0, repeated=0.10, damaged=0.02):
    """Return a night; of its files that share is damaged, each in one of several ways, and that share sent twice."""
    chance = random.Random(seed)
    observatory = SimulatedObservatory(camera=Camera(rows=64, columns=80), seed=seed)
    headers, files = {}, defaultdict(list)
    for exposure in observatory.exposures(NightPlan(n_exposures=exposures, filters=("rp", "gp", "ip"), exposure_s=5.0)):
        base = exposure.identity.base_name
        headers[base] = exposure.header
        contents = {
            "txt_00": header_text(exposure),
            "jpg_10": jpeg_bytes(exposure),
            "fits_00": packed(exposure.pixels, exposure.header),
            "fits_10": reduced(exposure.pixels, exposure.header),
        }
        files[base] = [File(base=base, role=role, content=content) for role, content in contents.items()]
    everything = [(base, number) for base in files for number in range(len(ENDINGS))]
    # Each way at least once, and every exposure keeps most of its files.
    ways = [(role, *way) for role, those in DAMAGES.items() for way in those]
    bases = chance.sample(sorted(files), max(len(ways), round(damaged * len(everything))))
    for place, base in enumerate(bases):
        role, damage, refusal = ways[place % len(ways)]
        files[base] = [
            File(base=base, role=role, content=damage(file.content), refusal=refusal) if file.role == role else file
            for file in files[base]
        ]
    order = everything + chance.sample(everything, round(repeated * len(everything)))
    chance.shuffle(order)
    return Night(headers=headers, files=dict(files), order=[files[base][number] for base, number in order])


@dataclass
class Sender:
    """Sends files in two ways: with a form over HTTP, or into the store and announced on the bus."""

    api: httpx.AsyncClient
    store: object
    bus: object
    ways: Counter = field(default_factory=Counter)

    async def send(self, file, *, by_form):
        await (self._by_form(file) if by_form else self._announced(file))
        self.ways["form" if by_form else "bus"] += 1

    async def _by_form(self, file):
        """As the software of Photon Ranch does it: the wish as JSON without a type, then a form with the file last."""
        wish = json.dumps({"object_name": file.name, "s3_directory": "data"})
        while True:
            offer = (await insist(lambda: self.api.post("/api//upload/", content=wish))).json()
            form = offer["fields"]
            try:
                reply = await self.api.post(offer["url"], data=form, files={"file": (file.name, file.content)})
            except httpx.TransportError:
                reply = None
            if reply is not None and reply.status_code == 204:
                return
            # A form is good for one content: whoever lost the answer asks for another.
            assert reply is None or reply.status_code >= 400, reply.text
            await asyncio.sleep(0.05)

    async def _announced(self, file):
        await insist(lambda: self.store.put_bytes(file.key, file.content, content_type="application/octet-stream"))
        said = {} if not file.content else {"size_bytes": len(file.content), "sha256": file.sha256}
        event = FileStored(site=SITE, key=file.key, **said)
        while True:
            try:
                return await self.bus.publish(event)
            except TransientError:
                await asyncio.sleep(0.05)
