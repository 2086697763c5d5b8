@pytest.fixture
async def accounts():
    accounts = Accounts()
    accounts.add("ada", proposals=["P1"])
    accounts.add("bob")
    accounts.add("root", superuser=True)
    return accounts


@pytest.fixture
async def start(nats_server, accounts):
    """Starts feed servers with limits; the bus is empty before the first one."""
    await nats_server.ensure_up()
    await delete_streams(nats_server.settings)
    async with contextlib.AsyncExitStack() as stack:

        async def start_server(**limits):
            server = FeedServer(
                nats_settings=nats_server.settings, accounts=accounts, sessions=OwnedSessions(OWNERS), **limits
            )
            return await stack.enter_async_context(server.running())

        yield start_server


