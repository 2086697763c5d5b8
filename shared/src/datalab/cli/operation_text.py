"""Operations as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from datalab.cli.output import moment, printable, shortened
from datalab.cli.output_names import data_stem, file_label, input_files, output_stems

JsonObject = dict[str, Any]


def operation_row(operation: JsonObject, session: int) -> tuple[str, ...]:
    done = f"{operation['operation_progress']:.0%}"
    return (
        str(operation["id"]),
        f"session {session}",
        operation["state"],
        done,
        operation["name"],
        operation["message"],
    )


def operation_lines(operation: JsonObject, session: int) -> Iterator[str]:
    """Yield everything about an operation: state, inputs, and what it made of them."""
    progress = f"  {operation['operation_progress']:.0%}" if operation["state"] == "IN_PROGRESS" else ""
    yield f"operation {operation['id']}  {operation['name']}  {operation['state']}{progress}"
    if operation["message"]:
        yield printable(f"  message   {operation['message']}")
    yield f"  session   {session}"
    yield f"  created   {moment(operation['created'])} UTC"
    files = dict(input_files(operation))
    for key, value in operation["input_data"].items():
        if key in files:
            names = [printable(file_label(item)) for item in files[key]]
            yield f"  {key} ({len(names)})  {shortened(names)}"
        elif value not in ([], None):
            yield printable(f"  {key}  {value if isinstance(value, str) else json.dumps(value)}")
    yield from _output_lines(operation)


def _output_lines(operation: JsonObject) -> Iterator[str]:
    output = operation["output"]
    if output is None:
        return
    yield "outputs"
    for number, (stem, file) in enumerate(zip(output_stems(operation), output["output_files"], strict=True), start=1):
        known = [str(file[key]) for key in ("filter", "target_name") if file.get(key)]
        made_of = f"  of {printable(shortened(file['inputs'], most=3))}" if file.get("inputs") else ""
        about = printable(f"  {', '.join(known)}") if known else ""
        yield f"  @{operation['id']}.{number}  {stem}.{'fits' if file['type'] == 'fits' else 'tif'}{about}{made_of}"
        yield from (printable(f"      note  {text}") for text in file.get("notes", ()))
    for item in output.get("output_data") or []:
        yield f"  data  {data_stem(operation)}.json: {printable(_gist(item))}"
    yield f"save them: datalab ops download {operation['id']}"


def _gist(item: Any) -> str:
    """Return what data consist of: single values as they are, of lists how long they are."""
    if not isinstance(item, dict):
        return type(item).__name__
    parts = []
    for key, value in item.items():
        if isinstance(value, list):
            parts.append(f"{key} [{len(value)}]")
        elif isinstance(value, dict):
            parts.append(f"{key} {{…}}")
        else:
            parts.append(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}")
    return shortened(parts, most=12)


def description_lines(operation: JsonObject) -> Iterator[str]:
    """Yield what an operation does and each of its inputs, with limits, choices and default."""
    yield printable(operation["name"])
    yield printable(f"  {operation['description']}")
    first = next((key for key, described in operation["inputs"].items() if described["type"] == "fits"), None)
    for key, described in operation["inputs"].items():
        yield ""
        how = "FILE..." if key == first else f"--set {key}={_placeholder(described)}"
        yield printable(f"  {how}")
        yield printable(f"      {described['name']}: {described['description']}")
        rules = list(_rules(described))
        if rules:
            yield printable(f"      {'; '.join(rules)}")


def _placeholder(described: JsonObject) -> str:
    if described.get("options"):
        return "|".join(map(str, described["options"]))
    return {"fits": "FILE", "source": "RA,DEC", "int": "NUMBER", "float": "NUMBER"}.get(described["type"], "TEXT")


def _rules(described: JsonObject) -> Iterator[str]:
    unit = {"fits": " files", "string": " characters"}.get(described["type"], "")
    least, most = described.get("minimum"), described.get("maximum")
    if least and most is not None:
        yield f"{least:g} to {most:g}{unit}" if least != most else f"{least:g}{unit if least != 1 else unit[:-1]}"
    elif least:
        yield f"at least {least:g}{unit if least != 1 else unit[:-1]}"
    elif most is not None:
        yield f"at most {most:g}{unit if most != 1 else unit[:-1]}"
    if described.get("filter_options"):
        yield f"filters {', '.join(described['filter_options'])}"
    if described.get("single_filter"):
        yield "all of one filter"
    if "default" in described:
        yield f"default {described['default']}"
    elif described["type"] == "fits" and not described.get("minimum"):
        yield "optional"
