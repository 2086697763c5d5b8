"""Ends in every way an operation must not."""

import errno
import os
import signal
import subprocess
import sys

from operation_runner.sdk import DataProduct, Lane, Operation, OperationParameters, UsageError


class Misbehave(Operation):
    name = "Misbehave"
    description = "Misbehaves"
    version = 1
    lane = Lane.FAST

    class Parameters(OperationParameters):
        how: str

    def compute(self, inputs, parameters, progress):
        progress(0.5, "half way")
        child = None
        match parameters.how:
            case "bug":
                raise ZeroDivisionError("a bug")
            case "usage":
                raise UsageError("These files cannot work.")
            case "disk full":
                raise OSError(errno.ENOSPC, "No space left on device")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(0)
            case "linger":  # a thread or child that does not end must not keep the answer back
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid
        yield DataProduct(content={"pid": os.getpid(), "child": child})
