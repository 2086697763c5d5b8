"""A server whose data lie on a disk so small that a test can fill it."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from datalab.local.unit import Launch

#: In a namespace of its own, a user may mount.
_FILLER = "filler"
_OWN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")
_MOUNT_AND_WAIT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'


def small_disks_possible():
    """Tell whether the kernel gives everybody a namespace of their own."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    return not subprocess.run([*_OWN_NAMESPACE, "true"], check=False, capture_output=True).returncode


def needs_small_disks():
    """Skip where there are none."""
    if not small_disks_possible():
        pytest.skip("a small disk needs user namespaces")


@contextlib.contextmanager
def small_disk(folder, *, size_bytes):
    """Have a file system of so many bytes in the place of a folder, for programs started by way of the disk."""
    holder = subprocess.Popen(
        [*_OWN_NAMESPACE, "sh", "-c", _MOUNT_AND_WAIT, "mount", str(size_bytes), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"mounted\n"
        yield SmallDisk(holder.pid, Path(folder))
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


class SmallDisk:
    """It lasts as long as the block that made it, whatever becomes of the programs that use it."""

    def __init__(self, holder_pid, folder):
        self._holder_pid = holder_pid
        self._inside = Path(f"/proc/{holder_pid}/root") / folder.relative_to("/")

    def program(self, launch):
        """Return the launch of a program that finds the disk in the place of the folder."""
        enter = ("nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(self._holder_pid), "--")
        return Launch(argv=(*enter, *launch.argv), env=launch.env)

    def fill(self):
        """Leave no room."""
        with (self._inside / _FILLER).open("ab", buffering=0) as filler:
            for size in (2**20, 2**12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(size))

    def make_room(self):
        (self._inside / _FILLER).unlink()


class OnSmallDisk:
    """A unit of `datalab.local` whose folder is a small disk."""

    def __init__(self, unit, disk):
        self._unit = unit
        self._disk = disk

    def __getattr__(self, name):
        return getattr(self._unit, name)

    async def launch(self):
        return self._disk.program(await self._unit.launch())
