"""Frames that arrive from an observatory while somebody looks."""

import asyncio
import hashlib
import io
from datetime import UTC, datetime, timedelta

import numpy as np
from astropy.io import fits

from datalab.documents.frame import COLLECTION
from datalab.events.frames import FileStored, FrameIngested
from datalab.events.object_keys import data_key
from datalab.platform.bus.connection import Bus
from datalab.platform.documents.client import DocumentStore
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.session_api import frame_document

#: The first frame of a site; the others follow a minute apart.
BEGIN = datetime(2026, 3, 15, 2, tzinfo=UTC)
#: Stored and announced at once.
AT_ONCE = 16


def basename(site, number):
    return f"{site}-cam1-20260314-{number:08d}"


def a_frame(site, number, *, proposal, **cards):
    """Return a FITS file with a few pixels of noise."""
    began = BEGIN + timedelta(minutes=number)
    header = fits.Header(
        {
            "OBJECT": f"Field {number}",
            "DATE-OBS": began.strftime("%Y-%m-%dT%H:%M:%S"),
            "DAY-OBS": "20260314",
            "SITEID": site,
            "TELID": "tel1",
            "INSTRUME": "cam1",
            "FILTER": ("rp", "gp")[number % 2],
            "EXPTIME": float(10 + number % 7),
            "OBSTYPE": "EXPOSE",
            "PROPID": proposal,
            "L1PUBDAT": "2099-01-01T00:00:00",
            **cards,
        }
    )
    file = io.BytesIO()
    fits.PrimaryHDU(np.random.default_rng(number).normal(1000, 30, (24, 24)).astype(np.int16), header).writeto(file)
    return file.getvalue()


class Observatory:
    """Stores and announces frames of a site; a context manager."""

    def __init__(self, system, site, *, proposal):
        self._system, self._site, self._proposal = system, site, proposal

    async def __aenter__(self):
        self._bus = Bus(settings=self._system.nats_settings, service="test", metrics=BusMetrics(create_registry()))
        await self._bus.connect()
        self._store = await ObjectStore(self._system.s3_settings).__aenter__()
        return self

    async def __aexit__(self, *error):
        await self._store.__aexit__(*error)
        await self._bus.close()

    async def send(self, numbers, **cards):
        """Send the frames of these numbers, some at a time."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number):
            async with room:
                content = a_frame(self._site, number, proposal=self._proposal, **cards)
                await self.announce(f"{basename(self._site, number)}-EX00.fits", content)

        await asyncio.gather(*map(one, numbers))

    async def announce(self, name, content):
        key = data_key(name)
        await self._store.put_bytes(key, content, content_type="application/octet-stream")
        told = FileStored(
            site=self._site,
            key=key,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            producer="observatory",
        )
        await self._bus.publish(told)


class Ingest:
    """Keeps frames and tells of them, as ingest does, in no time: without files. A context manager.

    The tallies know nothing of them: they are counted where a night is asked for.
    """

    def __init__(self, system, site, *, proposal):
        self._system, self._site, self._proposal = system, site, proposal

    async def __aenter__(self):
        self._bus = Bus(settings=self._system.nats_settings, service="test", metrics=BusMetrics(create_registry()))
        await self._bus.connect()
        self._documents = DocumentStore(self._system.mongo_settings)
        return self

    async def __aexit__(self, *error):
        await self._documents.close()
        await self._bus.close()

    async def take_in(self, numbers):
        """Take in the frames of these numbers, one every 20 s of a night."""
        frames = [self._frame(number) for number in numbers]
        await self._documents.database[COLLECTION].insert_many(frames)
        for frame in frames:
            told = FrameIngested(
                site=self._site,
                frame_id=frame["frame_id"],
                basename=frame["_id"],
                key=data_key(frame["_id"]),
                roles=("fits",),
                observation_date=frame["observation_date"],
                public_date=frame["public_date"],
                proposal_id=self._proposal,
                producer="ingest",
            )
            await self._bus.publish(told)

    def _frame(self, number):
        return frame_document(
            basename(self._site, number),
            site=self._site,
            site_id=self._site,
            proposal_id=self._proposal,
            target_name=f"Field {number}",
            observation_day="2026-03-14",
            observation_date=BEGIN + timedelta(seconds=20 * number),
            public_date=datetime(2099, 1, 1, tzinfo=UTC),
        )
