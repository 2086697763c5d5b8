"""Operations run in the test's own process, on real files, with everything a runner's process has but the process."""

import json
from dataclasses import dataclass
from pathlib import Path

from jsonschema import Draft202012Validator

from datalab.events.operations import InputSource
from operation_runner.inputs.image_stack import FitsInputs
from operation_runner.inputs.notes import InputNotes
from operation_runner.results.products import ProductWriter
from operation_runner.sdk import Progress, UsageError
from operation_runner.sdk.jobs import LocalData, LocalProduct
from support.runner import input_file, job


@dataclass
class Outcome:
    """What an operation made: products with their files, data with its pictures, and every progress report."""

    products: list[LocalProduct]
    data: tuple[LocalData, ...]
    progress: list[tuple[float, str]]

    def fits(self, number=0):
        """Return the path of the FITS file of a product."""
        return self.products[number].files["fits"].path

    @property
    def content(self):
        """Return the content of the only data product."""
        (data,) = self.data
        return data.content


def run(operation, parameters, *, work_dir, processes=1, stars=None, sky_indexes=tuple):
    """Run an operation. A `Path` in the parameters is an input file, alone or as `file` of a dictionary.

    The parameters are checked against the JSON schema first, as the session API does; `stars` answers for Gaia,
    `sky_indexes` opens star indexes.
    """
    paths = {}

    def named(value):
        if isinstance(value, Path):
            paths[basename(value)] = value
            return {"source": "archive", "basename": basename(value)}
        if isinstance(value, dict):
            file = named(value["file"]) if "file" in value else {}
            return file | {key: named(item) for key, item in value.items() if key != "file"}
        if isinstance(value, list | tuple):
            return [named(item) for item in value]
        return value

    as_json = json.loads(json.dumps(named(parameters)))
    Draft202012Validator(type(operation).Parameters.model_json_schema()).validate(as_json)
    work_dir.mkdir(parents=True, exist_ok=True)
    files = [input_file(path) for path in paths.values()]
    checked = type(operation).Parameters.model_validate(as_json)
    the_job = job(operation.name, checked.model_dump(mode="json"), work_dir=work_dir, files=files)
    noted = InputNotes()
    writer = ProductWriter(operation=operation, job=the_job, input_notes=noted.of)
    products, reports = [], []
    with FitsInputs(
        {(InputSource.ARCHIVE, name): path for name, path in paths.items()},
        work_dir=work_dir,
        processes=processes,
        write=writer.write,
        stars=stars or _no_stars,
        noted=noted,
        sky_indexes=sky_indexes,
    ) as inputs:
        progress = Progress(lambda fraction, message: reports.append((fraction, message)))
        data = writer.collect(operation.compute(inputs, checked, progress), deliver=products.append)
    return Outcome(products, data, reports)


def basename(path):
    """Return the name an input file has for clients."""
    return path.name.split(".")[0]


def _no_stars(region):
    raise UsageError(f"this test has no stars for {region}")
