"""Work for processes: what it is asked to do is named in the request."""

import os
import time
from pathlib import Path


def open_descriptors():
    return [number for number in map(int, os.listdir("/dev/fd")) if Path(f"/dev/fd/{number}").exists()]


def working(parent, *arguments):
    def work(request):
        match request:
            case "arguments":
                return arguments
            case "pid":
                return os.getpid()
            case "parent and descriptors":
                return os.getppid(), [os.stat(f"/dev/fd/{number}").st_ino for number in open_descriptors()]
            case "end":
                os._exit(7)
            case ("end once", str(path)):
                if not Path(path).exists():
                    Path(path).touch()
                    os._exit(7)
                return "done"
            case ("sleep", float(seconds)):
                parent.tell(os.getpid())
                time.sleep(seconds)
                return "slept"
            case ("count", int(most)):
                for number in range(most):
                    parent.tell(number)
                return most
            case ("ask", question):
                return parent.ask(question)
            case "unpicklable":
                return lambda: None
            case Exception():
                raise request
        raise ValueError(request)

    return work


def broken(_):
    raise ValueError("this process cannot begin")
