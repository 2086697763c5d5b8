"""The work of `datalab send`."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from datalab.cli.connection import CommandError, asked
from datalab.cli.exit_codes import ExitCode
from datalab.cli.fates import Fate, Told, end_with
from datalab.cli.output import Pause, note, printable
from datalab.cli.standard_output import while_somebody_reads
from datalab.cli.work.folder import SeenFile, WatchedFolder
from datalab.cli.work.journal import Journal, JournalEntry, JournalError
from datalab.client.patience import LONG_S
from datalab.client.rest import Datalab, JsonObject
from datalab.client.sending import FINAL, FileRefusedError, FormSpentError, NotAllowedError, Offer, SiteSender
from datalab.platform.tasks import end_tasks

#: How often a folder is looked into; somebody waits for the picture.
_LOOK_S, _LOOK_ONCE_S = 1.0, 0.2
#: How often a folder that cannot be read is tried again.
_AWAY_S: Final = 5.0
_UNREAD_S: Final = 30.0
#: Files of which it is being asked what became of them; the others wait for that, and are sent all the same.
_FOLLOWED_AT_ONCE: Final = 32
_FIRST_ASK_S, _LAST_ASK_S = 0.1, 5.0
#: Forms that turn out to be spent, or files that arrive otherwise than they are here, before the file is given up.
_TRIES: Final = 3
_TAKEN_IN: Final = frozenset({Fate.INGESTED, Fate.UNCHANGED})
_FATES: Final = {
    "ingested": Fate.INGESTED,
    "unchanged": Fate.UNCHANGED,
    "kept": Fate.UNCHANGED,
    "refused": Fate.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How files are sent: of which site, into which folder of the archive, how many at once.

    `timeout_s` is the longest wait for the archive's word on a file, `show` gets each word.
    """

    site: str
    folder: str = "data"
    channel: int | None = None
    at_once: int = 4
    timeout_s: float = 60.0
    show: Callable[[Told], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Which folder is watched: until it has nothing more, or for ever."""

    folder: Path
    subfolders: bool
    settle_s: float
    state: Path
    once: bool


def send_files(api_access: tuple[str, str | None], files: Sequence[Path], sending: Sending) -> None:
    """Send files, and tell what became of each. Raises `CommandError` unless all are in."""

    async def send(api: Datalab) -> list[Told]:
        turn = asyncio.Semaphore(sending.at_once)
        told: list[Told] = []
        async with site_sender(api, sending.site, patience_s=LONG_S) as sender:
            files_of = FileSender(sender, sending)

            async def send_one(path: Path) -> Told:
                async with turn:
                    return await files_of.bring(path)

            for next_told in asyncio.as_completed(list(map(send_one, files))):
                told.append(await next_told)
                sending.show(told[-1])
        return told

    end_with(_run(api_access, send))


def watch_folder(api_access: tuple[str, str | None], watching: Watching, sending: Sending) -> None:
    """Send what appears in a folder, and tell what became of each file. Raises `CommandError`."""

    async def watch(api: Datalab) -> list[Told]:
        patience_s = LONG_S if watching.once else math.inf
        async with site_sender(api, sending.site, patience_s=patience_s) as sender:
            with while_somebody_reads():
                return await FolderSender(sender, journal, watching, sending).run()

    try:
        with Journal(watching.state) as journal:
            told = _run(api_access, watch)
    except JournalError as error:
        raise CommandError(str(error)) from error
    end_with(told)


def _run(api_access: tuple[str, str | None], work: Callable[[Datalab], Awaitable[list[Told]]]) -> list[Told]:
    with demanding_permission():
        return asked(work, *api_access)


def site_sender(api: Datalab, site: str, *, patience_s: float) -> SiteSender:
    """Return what sends files of a site, and says on standard error when it waits."""
    pause = Pause()
    return SiteSender(api, site=site, patience_s=patience_s, on_pause=pause.begin, on_answer=pause.end)


@contextmanager
def demanding_permission() -> Iterator[None]:
    """End the command when files of the site are not taken from here. Raises `CommandError`."""
    try:
        yield
    except NotAllowedError as error:
        raise CommandError(f"{printable(str(error))} It is read from DATALAB_TOKEN.", ExitCode.NOT_ALLOWED) from error


class UnreadableFileError(Exception):
    """A file cannot be read; `gone` tells that it is no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot be read: {error.strerror}")
        self.gone = isinstance(error, FileNotFoundError)


class FileSender:
    """Sends files one by one. Its methods raise `DatalabApiError` and `NotAllowedError`."""

    def __init__(self, sender: SiteSender, sending: Sending) -> None:
        self._sender = sender
        self._sending = sending

    async def bring(self, path: Path) -> Told:
        """Send a file, and wait for the archive's word on it."""
        try:
            monitor = await self.send(path, await self.sha256_of(path))
        except (UnreadableFileError, FileRefusedError) as error:
            return Told(file=str(path), verdict=Fate.REFUSED, reason=str(error))
        return self.told(path, await self.fate(monitor))

    async def sha256_of(self, path: Path) -> str:
        """Return the SHA-256 of a file, in hexadecimal. Raises `UnreadableFileError`."""
        try:
            return await asyncio.to_thread(_sha256_of, path)
        except OSError as error:
            raise UnreadableFileError(error) from error

    async def send(self, path: Path, sha256: str, *, on_offer: Callable[[Offer], None] = lambda _: None) -> str:
        """Send a file; return where its fate is told. `on_offer` is told before anything is sent.

        Raises `FileRefusedError`, `UnreadableFileError`.
        """
        _demand_utf8(path)
        for tries_left in reversed(range(_TRIES)):
            offer = await self._sender.offer(path.name, folder=self._sending.folder, channel=self._sending.channel)
            on_offer(offer)
            try:
                await self._sender.send(offer, path)
                fate = await self._sender.fate(offer.monitor)
            except OSError as error:
                raise UnreadableFileError(error) from error
            except FormSpentError as error:
                if not tries_left:
                    raise FileRefusedError(str(error)) from error
                continue
            if fate["sha256"] in {None, sha256}:
                return offer.monitor
        raise FileRefusedError("it arrives otherwise than it is here: does somebody write it?")

    async def fate(self, monitor: str) -> JsonObject | None:
        """Return what the archive says of a file, also that it has not come; None if it says nothing in time."""
        pause_s = _FIRST_ASK_S
        try:
            async with asyncio.timeout(self._sending.timeout_s):
                while (fate := await self._sender.fate(monitor))["state"] == "stored":
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LAST_ASK_S)
                return fate
        except TimeoutError:
            return None
        except FormSpentError:  # days ago
            return {"state": "awaited"}

    def told(self, path: Path, fate: JsonObject | None) -> Told:
        """Return a fate as it is told."""
        if fate is None or fate["state"] not in FINAL:
            reason = f"stored, but the archive has not looked at it within {self._sending.timeout_s:g} s"
            return Told(file=str(path), verdict=Fate.UNKNOWN, reason=reason)
        if fate["state"] == "ingested" and fate["frame"] is None:
            return Told(file=str(path), verdict=Fate.INGESTED, frame="none: it is shown")
        return Told(file=str(path), verdict=_FATES[fate["state"]], frame=fate["frame"], reason=fate["reason"])


class FolderSender:
    """Sends what appears in a folder: looks, sends several files at once, and follows what becomes of them."""

    def __init__(self, sender: SiteSender, journal: Journal, watching: Watching, sending: Sending) -> None:
        self._files = FileSender(sender, sending)
        self._journal = journal
        self._watching = watching
        self._sending = sending
        self._folder = WatchedFolder(watching.folder, subfolders=watching.subfolders, settle_s=watching.settle_s)
        self._to_send: asyncio.Queue[SeenFile] = asyncio.Queue()
        self._to_follow: asyncio.Queue[JournalEntry] = asyncio.Queue()
        #: As they looked when they were taken in hand: sent, followed, or found to be of no use.
        self._in_hand: dict[Path, SeenFile] = {}
        self._unread: set[SeenFile] = set()
        #: How many are queued, or being sent or followed.
        self._open = 0
        self._noted: set[str] = set()
        self._told: list[Told] = []

    async def run(self) -> list[Told]:
        """Watch; return, if it ends with the folder, what was told."""
        work = [asyncio.create_task(self._send_each()) for _ in range(self._sending.at_once)]
        work += [asyncio.create_task(self._follow_each()) for _ in range(_FOLLOWED_AT_ONCE)]
        looking = asyncio.create_task(self._look())
        try:
            done, _ = await asyncio.wait([looking, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
            return self._told
        finally:
            await end_tasks(looking, *work)

    # --- looking ----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look for ever, or until everything there is has its word."""
        while True:
            try:
                found = await asyncio.to_thread(self._folder.look)
            except OSError as error:
                if self._watching.once:
                    raise CommandError(f"{self._watching.folder} cannot be read: {error.strerror}") from error
                self._note_once(f"{self._watching.folder} cannot be read, and is waited for: {error.strerror}")
                await asyncio.sleep(_AWAY_S)
                continue
            self._noted = {each for each in self._noted if "is waited for" not in each}
            for folder, reason in found.unreadable.items():
                self._note_once(f"{folder} cannot be read: {reason}")
            for seen in found.complete:
                self._take(seen)
            if not self._watching.once:
                await asyncio.sleep(_LOOK_S)
            elif found.changing or self._open:
                await asyncio.sleep(_LOOK_ONCE_S)
            else:
                return

    def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            note(printable(text))

    def _is_known(self, seen: SeenFile) -> bool:
        return self._in_hand.get(seen.path) == seen

    def _take(self, seen: SeenFile) -> None:
        """Take a file in hand that was not, or looks otherwise now."""
        if self._is_known(seen) or (seen.size_bytes == 0 and not self._watching.once):
            return
        self._in_hand[seen.path] = seen
        entry = self._journal.find(self._key(seen.path))
        if entry is None or (entry.size_bytes, entry.mtime_ns) != (seen.size_bytes, seen.mtime_ns):
            self._to_send.put_nowait(seen)
        elif entry.verdict is None:
            self._to_follow.put_nowait(entry)
        else:
            return
        self._open += 1

    # --- sending ----------------------------------------------------------------------------------------------

    async def _send_each(self) -> None:
        while True:
            seen = await self._to_send.get()
            try:
                sent = await self._send(seen)
            except UnreadableFileError as error:
                self._unread_file(seen, error)
                sent = None
            if sent is None:
                self._open -= 1
            else:
                self._to_follow.put_nowait(sent)

    async def _send(self, seen: SeenFile) -> JournalEntry | None:
        """Send a file; return what is to be followed, None if all is known. Raises `UnreadableFileError`."""
        sha256 = await self._files.sha256_of(seen.path)
        entry = JournalEntry(
            path=self._key(seen.path), size_bytes=seen.size_bytes, mtime_ns=seen.mtime_ns, sha256=sha256
        )
        before = self._journal.find(entry.path)
        if before is not None and before.sha256 == sha256 and before.verdict in _TAKEN_IN:
            self._settle(
                replace(entry, monitor=before.monitor, frame=before.frame),
                Told(file=str(seen.path), verdict=Fate.UNCHANGED, frame=before.frame, reason="it was sent before"),
            )
            return None

        def offered(offer: Offer) -> None:
            nonlocal entry
            entry = replace(entry, monitor=offer.monitor)
            self._journal.write(entry)

        try:
            await self._files.send(seen.path, sha256, on_offer=offered)
        except FileRefusedError as error:
            self._settle(entry, Told(file=str(seen.path), verdict=Fate.REFUSED, reason=str(error)))
            return None
        return entry

    def _unread_file(self, seen: SeenFile, error: UnreadableFileError) -> None:
        """Tell it once, and try it again later; a file that is gone is none to tell of."""
        if error.gone:
            self._in_hand.pop(seen.path, None)
            return
        if seen not in self._unread:
            self._unread.add(seen)
            self._show(Told(file=str(seen.path), verdict=Fate.REFUSED, reason=str(error)))
        if not self._watching.once:
            asyncio.get_running_loop().call_later(_UNREAD_S, self._in_hand.pop, seen.path, None)

    # --- following --------------------------------------------------------------------------------------------

    async def _follow_each(self) -> None:
        while True:
            await self._follow(await self._to_follow.get())

    async def _follow(self, entry: JournalEntry) -> None:
        path = self._watching.folder / entry.path
        fate = None if entry.monitor is None else await self._files.fate(entry.monitor)
        seen = self._in_hand.get(path)
        if seen is not None and (entry.monitor is None or (fate is not None and fate["state"] == "awaited")):
            self._to_send.put_nowait(seen)  # it was offered and did not come: we were killed in between
            return
        if fate is None and not self._watching.once:
            self._note_once("files are stored that the archive has not looked at yet; it is asked again")
            self._to_follow.put_nowait(entry)
            return
        told = self._files.told(path, fate)
        if told.verdict is Fate.UNKNOWN:
            self._show(told)
        else:
            self._settle(entry, told)
        self._open -= 1

    def _settle(self, entry: JournalEntry, told: Told) -> None:
        verdict = replace(entry, verdict=str(told.verdict), frame=told.frame, reason=told.reason)
        self._journal.write(verdict)
        self._show(told)

    def _show(self, told: Told) -> None:
        self._sending.show(told)
        if self._watching.once:
            self._told.append(told)

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self._watching.folder))


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _demand_utf8(path: Path) -> None:
    """Raise `FileRefusedError` for a name that no object can have."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise FileRefusedError("its name is no UTF-8: rename it") from None
