"""What we use of multiprocessing's private parts: if these fail, `datalab.processes.forkserver` must change."""

import os
from multiprocessing import forkserver

import pytest

from datalab.processes.forkserver import server_pid
from datalab.processes.pool import WorkerPool


@pytest.fixture
async def parent_and_descriptors():
    """Return what a forked process knows of itself: its parent, and the inodes of its open descriptors."""
    pool = WorkerPool("support.work:working", places=1)
    yield await pool.ask("parent and descriptors")
    await pool.stop()


def test_the_server_is_the_parent_of_what_is_forked(parent_and_descriptors):
    parent, _ = parent_and_descriptors
    assert parent == server_pid() != os.getpid()


def test_a_forked_process_gives_up_what_would_keep_the_server_alive(parent_and_descriptors):
    _, descriptors = parent_and_descriptors
    assert os.fstat(forkserver._forkserver._forkserver_alive_fd).st_ino not in descriptors
