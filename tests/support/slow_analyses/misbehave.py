"""An action that fails in the way it is told to."""

import os
import time
from pathlib import Path
from typing import Literal

import numpy as np

from operation_runner.sdk.analysis import Analysis, AnalysisParameters


class Misbehave(Analysis):
    name = "misbehave"
    description = "Fails as told."

    class Parameters(AnalysisParameters):
        how: Literal["sleep", "kill", "memory", "bug", "disk full", "not json", "pid"]
        pid_file: str = "/dev/null"

    def analyse(self, image, parameters):
        match parameters.how:
            case "sleep":
                Path(parameters.pid_file).write_text(f"{os.getpid()}\n")
                time.sleep(60)
            case "kill":
                os.kill(os.getpid(), 9)
            case "memory":
                np.ones((2**40,), "f8")
            case "bug":
                raise ZeroDivisionError("secret internals")
            case "disk full":
                raise OSError(28, "No space left on device")
            case "not json":
                return {"what": object()}
        return {"pid": os.getpid(), "pixels": image.pixels.shape}
