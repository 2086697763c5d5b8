"""A server whose data lie on a disk so small that a test can fill it."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from datalab.local.unit import Launch

FILLER = "filler"
#: In a namespace of its own, a user may mount.
_MOUNT_AND_RUN = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
_OWN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")


def needs_small_disks():
    """Skip where the kernel gives nobody a namespace of his own."""
    if shutil.which("unshare") is None or subprocess.run([*_OWN_NAMESPACE, "true"], check=False).returncode:
        pytest.skip("a small disk needs user namespaces")


class OnSmallDisk:
    """A unit of `datalab.local`, started with a file system of `size_bytes` in the place of one of its folders.

    The file system ends with the process: data do not survive a restart, and a full disk is as good as new after it.
    """

    def __init__(self, unit, folder, *, size_bytes):
        self._unit = unit
        self._folder = Path(folder)
        self._size_bytes = size_bytes

    def __getattr__(self, name):
        return getattr(self._unit, name)

    async def launch(self):
        launch = await self._unit.launch()
        mount = (*_OWN_NAMESPACE, "sh", "-c", _MOUNT_AND_RUN, "mount", str(self._size_bytes), str(self._folder))
        return Launch(argv=(*mount, *launch.argv), env=launch.env)

    def fill(self, pid):
        """Leave no room on the disk of the running process."""
        with (self._inside(pid) / FILLER).open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(2**16) if self._room(pid) >= 2**16 else bytes(1))

    def _inside(self, pid):
        return Path(f"/proc/{pid}/root") / self._folder.relative_to("/")

    def _room(self, pid):
        return shutil.disk_usage(self._inside(pid)).free
