"""What an operation is made of: all that its file may import from the runner. Analyses use `sdk.analysis`."""

from datalab.astro.sky.region import SkyRegion
from datalab.errors import TransientError, UsageError
from datalab.events.operations import Lane
from operation_runner.sdk.inputs import Combine, Image, ImageStack, Inputs, Progress
from operation_runner.sdk.operation import Operation
from operation_runner.sdk.parameters import (
    FitsFile,
    Hidden,
    Hint,
    OperationParameters,
    Refusals,
    SkyPosition,
    TextEntries,
    WizardKeys,
)
from operation_runner.sdk.products import (
    DataProduct,
    DiagnosticPicture,
    ImageProduct,
    PictureProduct,
    Product,
    WrittenProduct,
)

__all__ = [
    "Combine",
    "DataProduct",
    "DiagnosticPicture",
    "FitsFile",
    "Hidden",
    "Hint",
    "Image",
    "ImageProduct",
    "ImageStack",
    "Inputs",
    "Lane",
    "Operation",
    "OperationParameters",
    "PictureProduct",
    "Product",
    "Progress",
    "Refusals",
    "SkyPosition",
    "SkyRegion",
    "TextEntries",
    "TransientError",
    "UsageError",
    "WizardKeys",
    "WrittenProduct",
]
