"""`docs/operations.md` says of every operation and analysis what the code says."""

import inspect
import json
import re

import pytest

from operation_runner.offers.registry import discover, discover_analyses

LIMITS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("default", "default {}"),
    ("filter_options", "filters {}"),
)


def shown(value):
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else value


def input_row(key, one):
    kind = " or ".join(one["options"]) if one.get("options") else one["type"]
    limits = "; ".join(text.format(shown(one[name])) for name, text in LIMITS if one.get(name) not in (None, [], ""))
    what = ". ".join(part.rstrip(".") for part in (one["description"], limits) if part)
    return f"| {one['name']} | `{key}` | {kind} | {what} |"


def parameter(key, one, *, required):
    is_optional = not required and "default" in one
    return f"`{key}` ({json.dumps(one['default'])})" if is_optional else f"`{key}`"


def operations():
    parts = []
    for operation in sorted(discover(["operation_runner.operations"]).values(), key=lambda each: each.name):
        notes = inspect.cleandoc(type(operation).__doc__ or "")
        parts += [f"### {operation.name}", operation.description, *([" ".join(notes.split())] if notes else [])]
        rows = ["| input | key | kind | what |", "|---|---|---|---|"]
        rows += [input_row(key, one) for key, one in operation.wizard()["inputs"].items()]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def analyses():
    rows = ["| action | does | takes |", "|---|---|---|"]
    for action in sorted(discover_analyses(["operation_runner.analysis"]).values(), key=lambda each: each.name):
        schema = action.Parameters.model_json_schema()
        required = schema.get("required", [])
        properties = schema.get("properties", {}).items()
        taken = [parameter(key, one, required=key in required) for key, one in properties]
        rows.append(f"| `{action.name}` | {action.description} | {', '.join(taken)} |")
    return "\n".join(rows)


@pytest.mark.parametrize(("name", "text"), [("operations", operations), ("analyses", analyses)])
def test_the_guide_is_the_code(root, update_goldens, name, text):
    path = root / "docs/operations.md"
    pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)
    if update_goldens:
        path.write_text(pattern.sub(lambda match: f"{match[1]}\n{text()}\n\n{match[3]}", path.read_text()))
    assert pattern.search(path.read_text())[2].strip() == text()
