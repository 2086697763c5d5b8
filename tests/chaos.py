"""Ten minutes of misfortune: `make chaos`, or `MINUTES=60 make chaos`.

Operations are asked for and files brought in all the time, while every kind of process is killed and every server fails
in every way, at random. Then all of it ends, and everything that was accepted is looked at. Prints the figures; the
last line is JSON. Exits 1 unless nothing was lost, done twice, stuck, wrongly failed, or said wrongly at the end.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from astropy.io import fits

from support.chaos import DISKS, bring_in, insist, pixels_of, running_lab, visiting

#: Enough for an hour of different pairs.
FRAMES = 180
ASKED_EVERY_S = 0.5
FILES_EVERY_S = 3.0
#: Bytes that the work of a minute leaves on the disk of each server, several times over: the disks are full only
#: while they are made so.
GROWTH = {"nats": 8 * 2**20, "mongo": 16 * 2**20, "s3": 48 * 2**20}
#: Longest wait, after the last misfortune, for what is under way.
PATIENCE_S = 180.0


class Misfortune:
    """Kills and outages, one after the other, with pauses."""

    def __init__(self, lab, *, seed):
        self._lab = lab
        self._random = random.Random(seed)
        self.kills = 0
        self.outages = Counter()

    async def strike(self, until):
        while time.monotonic() < until:
            await asyncio.sleep(self._random.uniform(0.5, 3.0))
            await (self._kill() if self._random.random() < 0.5 else self._fail())

    async def _kill(self):
        supervisor = self._lab.system.supervisor
        name = self._random.choice([status.name for status in supervisor.statuses if status.pid])
        say(f"kill {name}")
        try:
            supervisor.kill(name)
        except ProcessLookupError:
            return
        self.kills += 1

    async def _fail(self):
        outages = self._lab.outages()
        name = self._random.choice(sorted(outages))
        lasts_s = self._random.choice((1.0, 3.0, 8.0, 20.0))
        say(f"{name} for {lasts_s:g} s")
        async with outages[name]():
            await asyncio.sleep(lasts_s)
        self.outages[name] += 1


async def work(visit, until):
    """Ask for operations, some several at once, and bring files in; return the numbers of the files."""
    pairs = itertools.cycle(itertools.combinations(range(FRAMES), 2))  # asked for again, it is the same operation
    asking, files = set(), itertools.count(FRAMES)
    brought, next_file_at = [], time.monotonic()
    while time.monotonic() < until:
        for _ in range(random.choice((1, 1, 4))):
            asking.add(asyncio.create_task(visit.ask(next(pairs))))
        if time.monotonic() >= next_file_at:
            number = next(files)
            brought.append(number)
            asking.add(asyncio.create_task(bring_in([number], store=visit.store, bus=visit.bus)))
            next_file_at += FILES_EVERY_S
        await asyncio.sleep(ASKED_EVERY_S)
    await asyncio.gather(*asking)
    return brought


async def findings(visit, brought):
    """Compare what was accepted with what became of it."""
    seen = visit.observer
    stuck = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            await seen.until(lambda heard: set(visit.asked) <= set(heard.terminal))
            await seen.until(lambda heard: len(heard.frames) == FRAMES + len(brought))
    except TimeoutError:
        pass
    listed = {each["id"]: each for each in await visit.listed()}
    unfinished = [number for number, each in listed.items() if each["status"] in ("PENDING", "IN_PROGRESS")]
    stuck = len(unfinished)
    wrong_pixels = 0
    async with httpx.AsyncClient(timeout=30.0) as anonymous:
        for number, pair in visit.asked.items():
            if listed.get(number, {}).get("status") == "COMPLETED":
                (output,) = listed[number]["output"]["output_files"]
                reply = await insist(lambda url=output["fits_url"]: anonymous.get(url))
                expected = np.median([pixels_of(each) for each in pair], axis=0)
                wrong_pixels += not np.array_equal(fits.getdata(BytesIO(reply.content), "SCI"), expected)
    for number, each in listed.items():
        if each["status"] != "COMPLETED":
            say(f"operation {number}: {each['status']} {each['message']}")
    return {
        "operations": len(visit.asked),
        "files": len(brought) + FRAMES,
        "lost_operations": len(set(visit.asked) - set(listed)),
        "lost_files": FRAMES + len(brought) - len(seen.frames),
        "double": sum(len(words) > 1 for words in seen.terminal.values())
        + sum(count > 1 for count in seen.event_ids.values()),
        "stuck": stuck,
        "wrongly_failed": sum(each["status"] in ("FAILED", "CANCELLED") for each in listed.values()),
        "wrong_last_words": sum(seen.last_words.get(number) != each["status"] for number, each in listed.items()),
        "wrong_results": wrong_pixels,
    }


async def main(minutes, seed):
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        disks = {name: size + int(minutes * GROWTH[name]) for name, size in DISKS.items()}
        async with running_lab(Path(folder), disks_bytes=disks) as lab, visiting(lab.system, FRAMES) as visit:
            misfortune = Misfortune(lab, seed=seed)
            until = time.monotonic() + 60.0 * minutes
            _, brought = await asyncio.gather(misfortune.strike(until), work(visit, until))
            found = await findings(visit, brought)
            outages = sum(misfortune.outages.values())
    figures = {
        "name": "chaos",
        "minutes": minutes,
        "seed": seed,
        "kills": misfortune.kills,
        "outages": outages,
        **found,
    }
    for name, value in figures.items():
        say(f"{name:18} {value}")
    sys.stdout.write(json.dumps(figures) + "\n")
    faults = ("lost_operations", "lost_files", "double", "stuck", "wrongly_failed", "wrong_last_words", "wrong_results")
    return int(any(figures[name] for name in faults))


def say(text):
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen = float(os.environ.get("MINUTES", "10"))
    sys.exit(asyncio.run(main(chosen, int(os.environ.get("SEED", str(random.randrange(10**6)))))))
