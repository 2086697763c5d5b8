"""A stream of announcements that nobody takes in."""

import nats.js.errors
import pytest

from datalab.events.topology import FILE_INGEST, FILES
from datalab.platform.bus.topology import apply_topology
from support.bus_sites import as_site, bus_sites
from support.servers import nats_connection

pytestmark = pytest.mark.usefixtures("settings_environment")


async def test_the_backlog_of_a_site_refuses_more_and_keeps_what_it_has_and_others_go_on(nats_server):
    async with nats_connection(nats_server.settings) as connection:
        stream = connection.jetstream()
        await apply_topology(stream)
        for _ in range(FILES.max_messages_per_subject):
            await connection.publish("observatory.bad.image.new", b"{}")
        await connection.flush()
        with pytest.raises(nats.js.errors.APIError, match="maximum messages per subject exceeded"):
            await stream.publish("observatory.bad.image.new", b"{}")
        assert (await stream.publish("observatory.tst.image.new", b"{}")).stream == FILES.name
        state = (await stream.stream_info(FILES.name)).state
        assert (state.first_seq, state.messages) == (1, FILES.max_messages_per_subject + 1)


async def test_what_was_taken_in_takes_no_room(nats_server):
    async with nats_connection(nats_server.settings) as connection:
        stream = connection.jetstream()
        await apply_topology(stream)
        await stream.publish("observatory.tst.image.new", b"{}")
        puller = await stream.pull_subscribe_bind(consumer=FILE_INGEST.name, stream=FILES.name)
        (message,) = await puller.fetch(1)
        await message.ack_sync()
        assert (await stream.stream_info(FILES.name)).state.messages == 0
        await puller.unsubscribe()


async def test_while_no_ingest_runs_a_site_is_told_at_once(nats_server, server_folder):
    async with bus_sites(nats_server, server_folder, "tst") as sites, as_site(sites, "tst") as site:
        with pytest.raises(nats.js.errors.NoStreamResponseError):
            await site.announce("tst")


async def test_room_for_all_that_may_be_waiting(nats_server):
    """One site whose files are missing must not stop the files of the others."""
    assert FILE_INGEST.max_ack_pending > 2 * FILES.max_messages_per_subject
