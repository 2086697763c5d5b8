"""A `datalab up` in small, run as a program: `python local_stack.py FOLDER`.

Starts the three servers, writes one JSON line with their pids and settings, and runs until it is signalled.
"""

import asyncio
import json
import sys
from pathlib import Path

from datalab.local.data_folder import DataFolder
from datalab.local.embedded import start_servers
from datalab.local.interrupt import stopped_by_signal
from datalab.local.supervisor import Supervisor


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(root):
    with stopped_by_signal() as signals, DataFolder(root) as folder:
        async with Supervisor(folder=folder) as supervisor:
            addresses = await start_servers(supervisor=supervisor, folder=folder, environ={})
            pids = {status.name: status.pid for status in supervisor.statuses}
            say(pids=pids, environment=addresses.environment())
            await asyncio.Event().wait()
    say(signals=[number.name for number in signals])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
