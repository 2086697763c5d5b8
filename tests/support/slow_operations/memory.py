"""Takes as much memory as it is told."""

import numpy as np

from operation_runner.sdk import DataProduct, Lane, Operation, OperationParameters


class TakeMemory(Operation):
    name = "Take Memory"
    description = "Takes memory"
    version = 1
    lane = Lane.FAST

    class Parameters(OperationParameters):
        mebibytes: int

    def compute(self, inputs, parameters, progress):
        taken = np.ones(parameters.mebibytes * 1024**2, np.uint8)
        yield DataProduct(content={"sum": taken.sum(dtype=np.int64), "undefined": np.nan, "list": np.arange(2)})
