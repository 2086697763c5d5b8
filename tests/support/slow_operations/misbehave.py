"""Ends in every way an operation must not."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np

from operation_runner.sdk import DataProduct, Lane, Operation, OperationParameters, UsageError


class Misbehave(Operation):
    name = "Misbehave"
    description = "Misbehaves"
    version = 1
    lane = Lane.FAST
    left: ClassVar[list[str]] = []

    class Parameters(OperationParameters):
        how: str
        pid_file: str = ""

    def compute(self, inputs, parameters, progress):
        progress(0.5, "half way")
        if parameters.pid_file:
            with Path(parameters.pid_file).open("a") as file:
                file.write(f"{os.getpid()}\n")
        child = None
        match parameters.how:
            case "bug":
                raise ZeroDivisionError("a bug")
            case "usage":
                raise UsageError("These files cannot work.")
            case "disk full":
                raise OSError(errno.ENOSPC, "No space left on device")
            case "files":
                raise OSError(errno.EMFILE, "Too many open files")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(0)
            case "leave something":
                self.left.append("something")
                os.environ["LEFT"] = "something"
                np.seterr(all="raise")
            case "linger":  # a thread or child that does not end must not keep the answer back
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid
        found = [*self.left, os.environ.get("LEFT"), np.geterr()["over"]]
        yield DataProduct(content={"pid": os.getpid(), "child": child, "found": found})
