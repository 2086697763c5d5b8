"""Work for processes: what it is asked to do is named in the request."""

import os
import time
from pathlib import Path


def working(parent, *arguments):
    def end_once(path):
        if not Path(path).exists():
            Path(path).touch()
            os._exit(7)
        return "done"

    def sleep(seconds):
        parent.tell(os.getpid())
        time.sleep(seconds)
        return "slept"

    def count(most):
        for number in range(most):
            parent.tell(number)
        return most

    known = {
        "arguments": lambda: arguments,
        "pid": os.getpid,
        "parent and descriptors": lambda: (os.getppid(), inodes_of_descriptors()),
        "end": lambda: os._exit(7),
        "end once": end_once,
        "sleep": sleep,
        "count": count,
        "ask": parent.ask,
        "unpicklable": lambda: lambda: None,
    }

    def work(request):
        if isinstance(request, Exception):
            raise request
        name, *given = [request] if isinstance(request, str) else request
        return known[name](*given)

    return work


def inodes_of_descriptors():
    return [path.stat().st_ino for path in Path("/dev/fd").iterdir() if path.exists()]


def broken(_):
    raise ValueError("this process cannot begin")
