"""Takes as long as it is told, in small steps, and says how far it is."""

import os
import time
from pathlib import Path

from operation_runner.sdk import DataProduct, Lane, Operation, OperationParameters


class Sleep(Operation):
    name = "Sleep"
    description = "Sleeps"
    version = 1
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        seconds: float
        salt: str = ""
        pid_file: str = ""

    def compute(self, inputs, parameters, progress):
        if parameters.pid_file:
            with Path(parameters.pid_file).open("a") as file:
                file.write(f"{os.getpid()}\n")
        end = time.monotonic() + parameters.seconds
        while (left := end - time.monotonic()) > 0:
            progress(1 - left / parameters.seconds, "sleeping")
            time.sleep(min(0.02, left))
        yield DataProduct(content={"slept_s": parameters.seconds})
