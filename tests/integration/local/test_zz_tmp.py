import asyncio, pathlib
async def test_wait(nats_server, mongo_server, s3_server):
    pathlib.Path("/tmp/b1/kt/pids").write_text(" ".join(str(s.pid) for s in (nats_server, mongo_server, s3_server)))
    await asyncio.sleep(60)
def test_sync(nats_server, mongo_server, s3_server):
    import time
    pathlib.Path("/tmp/b1/kt/pids").write_text(" ".join(str(s.pid) for s in (nats_server, mongo_server, s3_server)))
    time.sleep(60)
