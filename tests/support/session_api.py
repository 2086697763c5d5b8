"""The session API for tests: the real application on real servers, users, and a runner played by hand."""

import asyncio
import contextlib
import hashlib
import json
from datetime import UTC, datetime

import httpx
import uvicorn

from datalab.documents.frame import FrameDocument, FrameFile, kept_cards
from datalab.documents.frame_header import HeaderDocument, header_id
from datalab.documents.header_terms import terms_of
from datalab.events.offers import OperationDescribed
from datalab.events.operations import (
    Lane,
    OperationCancelled,
    OperationFailed,
    OperationProgressed,
    OperationRequested,
    OperationResult,
    OperationStarted,
    OperationSucceeded,
    OutputFile,
    StoredFile,
)
from datalab.events.topology import OPERATION_OFFERS, PROJECTOR, WORK
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.documents.client import DocumentStore
from datalab.platform.http_server import HTTP_OPTIONS
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from session_api.feed.server import WEBSOCKET_OPTIONS
from session_api.main import create_app
from session_api.offers.reader import OperationOffers
from session_api.operations.service import OperationService
from session_api.settings import SessionApiSettings
from support.openapi import OpenApiContract
from support.routes import CausedEvents
from support.waiting import PATIENCE_S, until

ADMIN_TOKEN = "the-operators-own-token"

_FITS_FILE = {
    "type": "object",
    "properties": {
        "source": {"enum": ["archive", "datalab"]},
        "basename": {"type": "string", "minLength": 1, "maxLength": 256},
    },
    "required": ["source", "basename"],
}


def described(name, inputs, *, lane=Lane.SLOW, item_properties=None, required=(), scalars=None, definitions=None):
    """Return the description of an operation as a runner publishes it."""
    item = {**_FITS_FILE, "properties": {**_FITS_FILE["properties"], **(item_properties or {})}}
    properties = {
        key: {"type": "array", "items": {"$ref": "#/$defs/FitsFile"}}
        for key, wizard_input in inputs.items()
        if wizard_input["type"] == "fits"
    }
    return OperationDescribed(
        name=name,
        version=1,
        lane=lane,
        wizard={"name": name, "description": f"{name} of images", "category": "image", "inputs": inputs},
        parameters_schema={
            "type": "object",
            "properties": {**properties, **(scalars or {})},
            "$defs": {"FitsFile": item, **(definitions or {})},
            "required": list(required),
            "additionalProperties": False,
        },
    )


MEDIAN = described(
    "Median",
    {"input_files": {"name": "Input Files", "description": "", "type": "fits", "minimum": 2, "maximum": 999}},
    required=["input_files"],
)
STACKING = described(
    "Stacking",
    {
        "input_files": {"name": "Input Files", "description": "", "type": "fits", "minimum": 2, "maximum": 3},
        "stacking_mode": {
            "name": "Stacking Mode",
            "description": "",
            "type": "select",
            "options": ["simple", "reproject"],
            "default": "simple",
        },
    },
    required=["input_files"],
    scalars={"stacking_mode": {"enum": ["simple", "reproject"], "default": "simple"}},
)
COLOR = described(
    "Color Image",
    {"color_channels": {"name": "Color Channel", "description": "", "type": "fits", "minimum": 1, "maximum": 6}},
    item_properties={"color": {"type": "object"}, "zmin": {"type": "number"}, "zmax": {"type": "number"}},
    required=["color_channels"],
)
LIGHT_CURVE = described(
    "Light Curve",
    {
        "source": {"name": "Source Star", "description": "", "type": "source", "name_lookup": True},
        "input_files": {
            "name": "Input Files",
            "description": "",
            "type": "fits",
            "single_filter": True,
            "filter_options": ["rp", "ip"],
            "minimum": 1,
            "maximum": 999,
        },
    },
    lane=Lane.FAST,
    required=["input_files", "source"],
    scalars={"source": {"type": "object", "required": ["ra", "dec"]}},
)

#: Like `LIGHT_CURVE`, of one image only.
FIRST_LOOK = described(
    "First Look",
    {**LIGHT_CURVE.wizard["inputs"], "input_files": {**LIGHT_CURVE.wizard["inputs"]["input_files"], "maximum": 1}},
    lane=Lane.FAST,
    scalars={"source": {"type": "object", "required": ["ra", "dec"]}},
)


BEGINNING = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


def archive(basename, **more):
    """Return an input item as clients name a frame."""
    return {"source": "archive", "basename": basename, **more}


def made_by(operation_id, basename=None, **more):
    """Return an input item that names the output of an operation, or all of them."""
    named = {} if basename is None else {"basename": basename}
    return {"source": "datalab", "operation": operation_id, **named, **more}


def frame_document(basename, *, header=None, **changes):
    """Return a public frame as ingest keeps it, the header apart: see `header_document`."""
    if header is not None:
        known = {"header_id": header_id(basename, header), "cards": kept_cards(header)}
        changes = {**known, "header_terms": terms_of(header), **changes}
    fields = {
        "basename": basename,
        "frame_id": int(hashlib.sha256(basename.encode()).hexdigest()[:7], 16),
        "site": "tst",
        "files": {"fits": frame_file(stored_file(f"data/{basename}.fits.fz"))},
        "filter_name": "rp",
        "public_date": BEGINNING,
        "created": BEGINNING,
        "modified": BEGINNING,
    }
    return FrameDocument(**{**fields, **changes}).stored()


def header_document(basename, cards):
    """Return the header of a frame as ingest keeps it."""
    return HeaderDocument(header_id=header_id(basename, cards), basename=basename, cards=cards).stored()


def frame_file(stored):
    """Return an object as a file of a frame."""
    return FrameFile(
        key=stored.key,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        etag="",
        media_type="image/fits",
        stored_at=BEGINNING,
    )


def stored_file(key, *, media_type="image/fits"):
    """Return an object as a runner reports it."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return StoredFile(key=key, sha256=digest, size_bytes=1000, media_type=media_type)


def result(basename="result-1", *, output_data=()):
    """Return the result of an image operation."""
    files = {
        "fits": stored_file(f"results/{basename}/image.fits"),
        "large": stored_file(f"results/{basename}/large.jpg", media_type="image/jpeg"),
        "small": stored_file(f"results/{basename}/small.jpg", media_type="image/jpeg"),
    }
    output = OutputFile(basename=basename, type="fits", files=files, filter_name="rp", target_name="M 33")
    return OperationResult(
        result_key=hashlib.sha256(basename.encode()).hexdigest(), output_files=(output,), output_data=output_data
    )


class World:
    """The application on servers, and direct ways into the document store and the bus."""

    def __init__(self, settings):
        self.settings = settings
        self.bus = Bus(settings=settings, service="test", metrics=BusMetrics(create_registry()))
        self.store = DocumentStore(settings)
        self.database = self.store.database
        self.app = create_app(settings)
        self.core = self.app.state.core
        self.tokens = {}
        self._contract = OpenApiContract(self.app.openapi())
        #: What the requests of clients have caused, each compared with what its route declares.
        self.caused = CausedEvents(self.app)

    def service(self, kind):
        """Return the application's one object of a class."""
        return self.app.state.services[kind]

    @property
    def operations(self):
        return self.service(OperationService)

    @property
    def projector(self):
        """What takes in the reports of runners."""
        (handle,) = [
            subscription.handle
            for capability in self.app.state.capabilities
            for subscription in capability.subscriptions
            if subscription.consumer is PROJECTOR
        ]
        return handle.__self__

    @property
    def works(self):
        """What is done again and again, by name: here only when it is asked for."""
        return {work.name: work for capability in self.app.state.capabilities for work in capability.periodic}

    async def work(self, *names):
        """Do some of it once, all of it if nothing is named; return what the last one says."""
        for name in names or self.works:
            answer = await self.works[name].work()
        return answer

    def client(self, username=None, **options):
        """Return a client with the user's token, that compares every answer with what the routes declare."""
        headers = {"Authorization": f"Token {self.tokens[username]}"} if username else {}
        return httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            trust_env=False,
            timeout=PATIENCE_S,
            event_hooks={"response": [self._contract.check, self.caused.check]},
            **options,
        )

    async def add_user(self, username, **fields):
        """Make a user through the API, with the operator's token."""
        async with self.client() as client:
            reply = await client.post(
                "/api/users/",
                json={"username": username, **fields},
                headers={"Authorization": f"Token {ADMIN_TOKEN}"},
            )
        assert reply.status_code == 201, reply.text
        self.tokens[username] = reply.json()["token"]

    async def add_frames(self, *documents):
        await self.database["frames"].insert_many(documents)

    async def add_headers(self, headers):
        """Store headers, given by the base names of their frames."""
        documents = [header_document(basename, cards) for basename, cards in headers.items()]
        await self.database["frame_headers"].insert_many(documents)

    async def describe(self, *descriptions):
        """Put operations into the catalogue and wait until the API has read them."""
        bucket = await self.bus.key_value(OPERATION_OFFERS)
        for description in descriptions:
            await bucket.put(description.key, description.encode())
        await until(lambda: all(self.service(OperationOffers).find(each.name) for each in descriptions))

    async def requests(self, operation_id):
        """Return the requests for an operation the bus holds."""
        return [request for request in await self.all_requests() if request.operation_id == operation_id]

    async def all_requests(self):
        """Return the requests the bus holds, in their order."""
        return [
            OperationRequested.decode(message.body)
            async for message in self.bus.replay(WORK, after=0, filter_subjects=WORK.subjects)
        ]

    async def report(self, report_type, operation_id, /, **fields):
        """Say what a runner says about an attempt, and return the report."""
        report = report_type(**{**await self.about(operation_id), **fields})
        await self.bus.publish(report)
        return report

    async def about(self, operation_id):
        """Return what every report on the first attempt of an operation says."""
        document = await self.database["operations"].find_one({"_id": operation_id}) or {}
        correlation_id = document.get("correlation_id", "of nobody's")
        return {"operation_id": operation_id, "attempt": 1, "correlation_id": correlation_id}

    async def start(self, client, session_id, operation_id, **fields):
        await self.report(OperationStarted, operation_id, **fields)
        return await self.wait_for(client, session_id, operation_id, "IN_PROGRESS")

    async def progress(self, operation_id, fraction, message="", **fields):
        return await self.report(OperationProgressed, operation_id, fraction=fraction, message=message, **fields)

    async def succeed(self, client, session_id, operation_id, made=None, **fields):
        await self.report(
            OperationSucceeded, operation_id, result=made or result(), reused=False, compute_s=1.0, **fields
        )
        return await self.wait_for(client, session_id, operation_id, "COMPLETED")

    async def fail(self, client, session_id, operation_id, kind="usage", message="No stars.", **fields):
        await self.report(OperationFailed, operation_id, kind=kind, message=message, **fields)
        return await self.wait_for(client, session_id, operation_id, "FAILED")

    async def report_cancelled(self, operation_id, **fields):
        return await self.report(OperationCancelled, operation_id, **fields)

    async def wait_for(self, client, session_id, operation_id, state):
        """Return the operation as REST shows it, once it has the state."""
        path = f"/api/datasessions/{session_id}/operations/{operation_id}/"

        async def shown():
            operation = (await client.get(path)).json()
            return operation if operation.get("state") == state else None

        return await until(shown)

    async def session(self, client, name="S1", input_data=()):
        reply = await client.post("/api/datasessions/", json={"name": name, "input_data": list(input_data)})
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]

    async def operation(self, client, session_id, name="Median", input_data=None, **options):
        """Start an operation on the frames f1 and f2, if no other inputs are given."""
        inputs = {"input_files": [archive("f1"), archive("f2")]} if input_data is None else input_data
        reply = await client.post(
            f"/api/datasessions/{session_id}/operations/", json={"name": name, "input_data": inputs}, **options
        )
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]


@contextlib.asynccontextmanager
async def running_world(environment, **changes):
    """Start the application on the servers of an environment."""
    settings = SessionApiSettings(admin_token=ADMIN_TOKEN, **{"reconcile_interval_s": 3600, **changes})
    assert settings.mongo_database == environment["DATALAB_MONGO_DATABASE"]
    world = World(settings)
    async with ObjectStore(settings) as objects:
        await objects.ensure_bucket()
    await world.bus.connect()
    await apply_topology(world.bus.jetstream)
    server = uvicorn.Server(
        uvicorn.Config(
            world.app,
            host="127.0.0.1",
            port=0,
            lifespan="on",
            log_config=None,
            access_log=False,
            **HTTP_OPTIONS,
            **WEBSOCKET_OPTIONS,
        )
    )
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or serving.done())
        world.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        for lane in Lane:  # no runner is there, and most tests are not about turns
            world.operations._turns._shares.counted(lane, 1000)
        with world.caused:
            yield world
    finally:
        server.should_exit = True
        await serving
        await world.bus.close()
        await world.store.close()


def body_of(reply):
    """Return a reply's JSON; every reply must say how long it is."""
    assert int(reply.headers["Content-Length"]) == reply.num_bytes_downloaded > 0
    return json.loads(reply.content)
