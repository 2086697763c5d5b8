"""What the fixtures promise: a test sees nothing of the ones before it."""

from datalab.platform.settings import MongoSettings, NatsSettings, S3Settings
from support.servers import delete_streams, isolated_settings, mongo_client, nats_connection, s3_client, stream_names


async def test_isolated_settings_leave_nothing_behind(nats_server, mongo_server, s3_server):
    servers = {"nats_server": nats_server, "mongo_server": mongo_server, "s3_server": s3_server}
    async with isolated_settings(**servers) as first:
        database, bucket = MongoSettings().mongo_database, S3Settings().s3_bucket
        assert (database, bucket) == (first["DATALAB_MONGO_DATABASE"], first["DATALAB_S3_BUCKET"])
        async with nats_connection(NatsSettings()) as connection:
            await connection.jetstream().add_stream(name="LEFT", subjects=["left.>"])
        async with mongo_client(MongoSettings()) as client:
            await client[database].frames.insert_one({})
        with s3_client(S3Settings()) as client:
            client.make_bucket(bucket_name=bucket)
            client.fput_object(bucket_name=bucket, object_name="a/b", file_path=__file__)
        await mongo_server.kill()

    async with isolated_settings(**servers) as second:
        assert second["DATALAB_MONGO_DATABASE"] != database
        assert second["DATALAB_S3_BUCKET"] != bucket
        assert await stream_names(NatsSettings()) == []
        async with mongo_client(MongoSettings()) as client:
            assert database not in await client.list_database_names()
        with s3_client(S3Settings()) as client:
            assert not client.bucket_exists(bucket_name=bucket)


async def test_streams_of_a_test_are_deleted(nats_server):
    async with nats_connection(nats_server.settings) as connection:
        await connection.jetstream().add_stream(name="LEFT", subjects=["left.>"])
    await delete_streams(nats_server.settings)
    assert await stream_names(nats_server.settings) == []
