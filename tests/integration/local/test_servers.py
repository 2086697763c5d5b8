"""The embedded servers: ready when they say so, and nothing acknowledged is lost with a killed one."""

import io

from pymongo import WriteConcern

from support.servers import mongo_client, nats_connection, s3_client

BUCKET = "kept-objects"


async def test_nats_keeps_acknowledged_messages_over_a_kill(nats_server):
    before = nats_server.settings
    async with nats_connection(before) as connection:
        jetstream = connection.jetstream()
        await jetstream.add_stream(name="KEPT", subjects=["kept.>"])
        acknowledged = await jetstream.publish("kept.frame", b"elp1m008-fa16-20240701-0042-e00", stream="KEPT")

    await nats_server.kill()
    await nats_server.restart()

    assert nats_server.settings == before
    async with nats_connection(nats_server.settings) as connection:
        message = await connection.jetstream().get_msg("KEPT", acknowledged.seq)
        await connection.jetstream().delete_stream("KEPT")
    assert message.data == b"elp1m008-fa16-20240701-0042-e00"


async def test_mongo_keeps_journaled_documents_over_a_kill(mongo_server):
    before = mongo_server.settings
    async with mongo_client(before) as client:
        frames = client.kept.get_collection("frames", write_concern=WriteConcern("majority", j=True))
        await frames.insert_one({"_id": "elp1m008-fa16-20240701-0042", "exposure_time_s": 30.0})

    await mongo_server.kill()
    await mongo_server.restart()

    assert mongo_server.settings == before
    async with mongo_client(mongo_server.settings) as client:
        frame = await client.kept.frames.find_one({"_id": "elp1m008-fa16-20240701-0042"})
        await client.drop_database("kept")
    assert frame["exposure_time_s"] == 30.0


async def test_s3_keeps_objects_over_a_kill(s3_server):
    before = s3_server.settings
    pixels = bytes(range(256)) * 4096
    with s3_client(before) as client:
        client.make_bucket(bucket_name=BUCKET)
        client.put_object(bucket_name=BUCKET, object_name="data/a.fits", data=io.BytesIO(pixels), length=len(pixels))

    await s3_server.kill()
    await s3_server.restart()

    assert s3_server.settings == before
    with s3_client(s3_server.settings) as client:
        answer = client.get_object(bucket_name=BUCKET, object_name="data/a.fits")
        try:
            assert answer.read() == pixels
        finally:
            answer.close()
        client.remove_object(bucket_name=BUCKET, object_name="data/a.fits")
        client.remove_bucket(bucket_name=BUCKET)
