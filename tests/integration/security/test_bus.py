"""Who may do what on the bus: hostile observatories and a hostile object store, on the real server.

Each line on NATS of docs/threat-model.md is held here.
"""

import asyncio
import json

import nats.errors
import nats.js.errors
import pytest

from datalab.events.frames import VERDICTS, FileRejected, FileStored, FrameIngested, verdict_subject
from datalab.events.topology import DEAD, FEED, FILE_INGEST, FILES, REPORTS, WORK
from datalab.platform.bus.accounts import SITE_MAX_PAYLOAD_BYTES
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from support.bus_sites import answer_to_login, as_site, as_store, bus_sites, client, positions, site_settings
from support.ingest_service import base_name, running, settings_for_tests, surroundings
from support.waiting import PATIENCE_S, until

#: Streams and buckets no observatory has to do with.
FOREIGN = (WORK.name, FEED.name, REPORTS.name, DEAD.name, "KV_catalogue", "KV_leases", "KV_analyses")
#: Subjects that are stored in them, or that the server obeys.
FOREIGN_SUBJECTS = (
    "$KV.catalogue.Median",
    "$KV.leases.x",
    "datalab.operation.requested.v1.fast",
    "datalab.operation.failed.v1",
    "datalab.feed.v1.site.tst",
    "datalab.dead.file-ingest",
    "datalab.file.announced.v1.mrc",
    "datalab.analysis.requested.v1.wcs",
    "$JS.API.INFO",
    "$JS.API.STREAM.DELETE.FILES",
    "$JS.API.STREAM.MSG.GET.FEED",
    "$JS.API.CONSUMER.MSG.NEXT.FILES.file-ingest",
    "$JS.ACK.FILES.file-ingest.1.1.1.1.0",
    "$SYS.REQ.SERVER.PING",
    "_INBOX_datalab.x",
    "_INBOX_observatory-mrc.x",
)
#: A minute's worth of these is taken at once.
PER_S = 1.0
JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
async def settings(module_settings_environment, tmp_path_factory):
    return settings_for_tests(
        tmp_path_factory.mktemp("scratch"), site_announcements_per_s=PER_S, site_refusals_per_s=PER_S / 10
    )


@pytest.fixture(scope="module")
async def archive(settings):
    """The archive from within."""
    async with surroundings(settings) as around:
        yield around


@pytest.fixture(scope="module", autouse=True)
async def service(settings, archive):
    async with running(settings) as app:
        yield app


@pytest.fixture(scope="module")
async def sites(nats_server, server_folder, archive):
    async with bus_sites(nats_server, server_folder, "tst", "mrc", "bad", "rude", "leaver") as made:
        yield made


async def test_a_site_announces_its_file(sites, archive):
    base = base_name()
    key = await archive.put(f"{base}-EX10.jpg", JPEG)
    async with as_site(sites, "tst") as site:
        acknowledged = await site.announce("tst", key)
    assert (acknowledged.stream, bool(acknowledged.duplicate)) == (FILES.name, False)
    await archive.frame(base, files=1)


async def test_our_own_client_uses_the_inbox_of_its_user(sites, archive):
    base = base_name()
    key = await archive.put(f"{base}-EX10.jpg", JPEG)
    (credentials,) = (each for each in sites.access.sites() if each.site == "tst")
    settings = site_settings(sites.settings, credentials)
    bus = Bus(settings=settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        await bus.publish(FileStored(site="tst", key=key))
    finally:
        await bus.close()
    await archive.frame(base, files=1)


@pytest.mark.parametrize("subject", [*FOREIGN_SUBJECTS, "observatory.mrc.image.new", "datalab.bucket.notification"])
async def test_a_site_publishes_nothing_but_its_announcements(sites, archive, subject):
    before = await positions(archive.bus, FOREIGN)
    async with as_site(sites, "tst") as site:
        refusal = await site.refused(site.connection.publish(subject, b"{}"))
    assert f'permissions violation for publish to "{subject.lower()}"' in refusal
    assert await positions(archive.bus, FOREIGN) == before


@pytest.mark.parametrize("subject", [*FOREIGN_SUBJECTS, "observatory.tst.image.new"])
async def test_the_object_store_publishes_nothing_but_its_notifications(sites, archive, subject):
    before = await positions(archive.bus, FOREIGN)
    async with as_store(sites) as store:
        refusal = await store.refused(store.connection.publish(subject, b"{}"))
    assert f'permissions violation for publish to "{subject.lower()}"' in refusal
    assert await positions(archive.bus, FOREIGN) == before


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "_INBOX.>",
        "_INBOX_datalab.>",
        "_INBOX_observatory-mrc.>",
        "*.*.*",
        "_R_.>",
        "$KV.>",
        "$JS.>",
        "$SYS.>",
        "datalab.>",
        "datalab.file.announced.v1.tst",
        "datalab.frame.ingested.v1.*",
        "datalab.frame.ingested.v1.mrc",
        "datalab.file.rejected.v1.mrc",
        "datalab.file.unchanged.v1.>",
        "datalab.feed.v1.site.tst",
        "observatory.>",
    ],
)
async def test_a_site_reads_nothing_but_its_acknowledgements_and_what_became_of_its_files(sites, subject):
    async with as_site(sites, "tst") as site:
        refusal = await site.refused(site.connection.subscribe(subject))
    assert "permissions violation for subscription" in refusal


async def test_a_site_hears_what_became_of_its_files_and_of_no_others(sites, archive):
    heard = asyncio.Queue()
    mine, others = base_name(), base_name(site="mrc")
    async with as_site(sites, "tst") as site, as_site(sites, "mrc") as other:
        for verdict in VERDICTS:
            await site.connection.subscribe(verdict_subject(verdict, "tst"), cb=heard.put)
        await site.connection.flush()
        foreign = await archive.put(f"{others}-EX10.jpg", JPEG)
        await other.announce("mrc", foreign)
        await archive.told(foreign, FrameIngested)
        key = await archive.put(f"{mine}-EX10.jpg", JPEG)
        for word in ("first", "second"):
            await site.announce("tst", key, correlation_id=word)
            message = await asyncio.wait_for(heard.get(), timeout=PATIENCE_S)
            assert json.loads(message.data)["correlation_id"] == word
            assert message.subject.endswith(".tst")
        assert heard.empty()


async def test_what_the_store_may_listen_to_carries_nothing_of_others(sites, archive):
    """MinIO needs `_INBOX.>`, where clients without a prefix of their own hear their answers."""
    heard = []

    async def keep(message):
        heard.append(message.subject)

    async with as_store(sites) as store:
        subscription = await store.connection.subscribe("_INBOX.>", cb=keep)
        await store.connection.flush()
        settings = sites.settings
        services = client(settings, settings.nats_user, settings.nats_password.get_secret_value(), inbox="_INBOX")
        async with services as other:
            await other.connection.jetstream().stream_info(FEED.name)  # answered on _INBOX
        async with as_site(sites, "tst") as site:
            await site.announce("tst")
        await store.connection.flush()
        await subscription.unsubscribe()
    assert heard == []


@pytest.mark.parametrize(
    "body", [b'{"type": "file.stored.v1", "site": "tst", "key": "test/x"}', b"no announcement"], ids=["good", "bad"]
)
async def test_an_acknowledgement_goes_nowhere_but_to_whoever_announced(sites, archive, body):
    before = await positions(archive.bus, FOREIGN)
    async with as_site(sites, "tst") as site:
        for subject in FOREIGN_SUBJECTS:
            await site.connection.publish("observatory.tst.image.new", body, reply=subject)
        await site.announce("tst")  # answered after the others were
    await archive.all_settled(FILE_INGEST)
    after = await positions(archive.bus, FOREIGN)
    assert {**after, DEAD.name: 0, FEED.name: 0} == {**before, DEAD.name: 0, FEED.name: 0}
    assert await _foreign_bodies(archive.bus) == []


async def test_the_acknowledgement_of_a_notification_goes_nowhere_else(sites, archive):
    before = await positions(archive.bus, FOREIGN)
    async with as_store(sites) as store:
        for subject in FOREIGN_SUBJECTS:
            await store.connection.publish("datalab.bucket.notification", b'{"Event": "s3:TestEvent"}', reply=subject)
        stored = await store.connection.jetstream().publish("datalab.bucket.notification", b'{"Event": "s3:TestEvent"}')
    assert stored.stream == FILES.name
    await archive.all_settled(FILE_INGEST)
    assert await positions(archive.bus, FOREIGN) == before


async def _foreign_bodies(bus):
    """Return acknowledgements that ended in streams which clients or services read."""
    found = []
    for stream in (FEED, DEAD):
        messages = bus.replay(stream, after=0, filter_subjects=stream.subjects)
        found += [
            message.body async for message in messages if b'"stream"' in message.body and b'"seq"' in message.body
        ]
    return found


async def test_an_id_another_site_has_used_counts_for_that_site_only(sites, archive):
    base = base_name()
    key = await archive.put(f"{base}-EX10.jpg", JPEG)
    headers = {"Nats-Msg-Id": f"{base}/1"}
    async with as_site(sites, "mrc") as thief, as_site(sites, "tst") as site, as_store(sites) as store:
        await thief.announce("mrc", event_id=f"{base}/1", headers=headers)
        await store.connection.jetstream().publish(
            "datalab.bucket.notification", b'{"Event": "s3:TestEvent"}', headers=headers
        )
        honest = await site.announce("tst", key, event_id=f"{base}/1", headers=headers)
        again = await site.announce("tst", key, event_id=f"{base}/1", headers=headers)
    assert (bool(honest.duplicate), bool(again.duplicate)) == (False, True)
    await archive.frame(base, files=1)


async def test_headers_of_a_site_reach_no_stream(sites, archive):
    headers = {"Nats-Expected-Stream": FILES.name, "Nats-Rollup": "all", "Nats-TTL": "1", "Nats-Msg-Id": "mine"}
    before = (await positions(archive.bus, [FILES.name]))[FILES.name]
    async with as_site(sites, "tst") as site:
        acknowledged = await site.announce("tst", headers=headers)
    assert acknowledged.seq > before
    stored = (await archive.bus.jetstream.stream_info(FILES.name)).state
    assert stored.last_seq == acknowledged.seq


async def test_a_large_message_ends_the_connection_and_is_not_stored(sites, archive):
    before = (await positions(archive.bus, [FILES.name]))[FILES.name]
    async with as_site(sites, "bad") as site:
        await site.connection.publish("observatory.bad.image.new", b" " * (SITE_MAX_PAYLOAD_BYTES + 1))
        await until(lambda: not site.connection.is_connected)
    assert (await positions(archive.bus, [FILES.name]))[FILES.name] == before


async def test_too_many_announcements_are_refused_with_the_reason_and_others_are_heard(sites):
    allowed = int(60 * PER_S)
    async with as_site(sites, "bad") as flood, as_site(sites, "mrc") as other:
        answers = await asyncio.gather(*(flood.announce("bad") for _ in range(allowed + 60)), return_exceptions=True)
        assert (await other.announce("mrc")).stream == FILES.name
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(answers) - len(refused) >= allowed
    assert refused
    assert all("site bad announces too much at once" in str(answer) for answer in refused)


async def test_a_malformed_announcement_is_refused_to_its_sender_and_on_the_feed_of_its_site(sites, archive):
    before = await positions(archive.bus, [FILES.name, DEAD.name])
    async with as_site(sites, "rude") as site:
        for body, complaint in (
            (b"not JSON", "Invalid JSON"),
            (b'{"type": "file.stored.v1", "site": "rude"}', "Field required (at key)"),
            (b'{"type": "file.stored.v1", "site": "mrc", "key": "data/mrc.fits"}', "announces a file of site 'mrc'"),
            (
                b'{"type": "file.stored.v1", "site": "rude", "key": "data/mrc-cam01-20260504-00000042-EX10.jpg"}',
                "'mrc'",
            ),
            (b'{"type": "file.stored.v1", "site": "rude", "key": "elsewhere/1"}', "in none of the folders"),
            (
                b'{"site": "rude", "key": "data/rude.fits", "occurred_at": "9999-12-31T23:59:59-12:00"}',
                "after the year 9999 in UTC (at occurred_at)",
            ),
        ):
            with pytest.raises(nats.js.errors.BadRequestError) as refusal:
                await site.connection.jetstream().publish("observatory.rude.image.new", body)
            assert complaint in str(refusal.value)
    (told,) = await archive.told("data/mrc.fits", FileRejected)
    assert (told.site, "on 'observatory.rude.image.new'" in told.reason) == ("rude", True)
    assert await positions(archive.bus, [FILES.name, DEAD.name]) == before


async def test_refusals_do_not_fill_the_feed(sites, archive):
    async with as_site(sites, "rude") as site:
        for number in range(40):
            body = json.dumps({"key": f"data/flood-{number}"}).encode()
            with pytest.raises((nats.js.errors.BadRequestError, nats.js.errors.ServiceUnavailableError)):
                await site.connection.jetstream().publish("observatory.rude.image.new", body)
    told = [event for event in await archive.all_told(FileRejected) if "flood-" in event.key]
    assert len(told) <= 60 * PER_S / 10


async def test_a_site_that_is_removed_is_cut_off(sites):
    async with as_site(sites, "leaver") as site:
        await site.announce("leaver")
        (credentials,) = (each for each in sites.access.sites() if each.site == "leaver")
        await sites.remove("leaver")
        with pytest.raises((nats.errors.Error, OSError, TimeoutError)):
            await site.announce("leaver")
    answer = await answer_to_login(sites.settings, user=credentials.nats_user, **{"pass": credentials.nats_password})
    assert answer == "-ERR 'Authorization Violation'"


async def test_nobody_connects_without_a_password(sites):
    assert await answer_to_login(sites.settings) == "-ERR 'Authorization Violation'"
