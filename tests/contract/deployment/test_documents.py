"""What the documents say about settings, metrics, commands, routes and messages is so."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

import ingest.settings
import operation_runner.settings
from datalab.cli.main import app
from datalab.documents.file_names import Convention, parse_file_name
from datalab.events.frames import FileStored
from datalab.events.topology import STREAMS
from datalab.platform.known_settings import KNOWN
from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry
from datalab.platform.settings import AccessSettings, StoreRuleSettings
from ingest.arrivals.metrics import IngestMetrics
from ingest.removal.metrics import RemovalMetrics
from ingest.retention.metrics import RetentionMetrics
from operation_runner.execution.metrics import ExecutionMetrics
from operation_runner.previews.metrics import PreviewMetrics
from session_api.main import create_app
from session_api.settings import SessionApiSettings
from support.routes import routes_table

DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    *(
        f"docs/{name}.md"
        for name in (
            "architecture",
            "archive",
            "contributing",
            "feed",
            "observatory-guide",
            "operations",
            "queues",
            "threat-model",
            "writing-an-operation",
        )
    ),
]
DOCUMENTS += ["docs/operator-guide.md", "docs/user-guide.md"]
SETTINGS = {
    "session-api": SessionApiSettings,
    "ingest": ingest.settings.IngestSettings,
    "operation-runner": operation_runner.settings.OperationRunnerSettings,
}
#: Defaults that depend on the machine, in words.
DEFAULTS_IN_WORDS = {
    "scratch_dir": "a folder below the system's temporary one",
    "slow_slots": "number of cores",
    "processes_per_operation": "number of cores",
}


def shown_default(field, info):
    if field in DEFAULTS_IN_WORDS:
        return DEFAULTS_IN_WORDS[field]
    default = getattr(info.default, "get_secret_value", lambda: info.default)()
    if default is None:
        return ""
    return f"`{json.dumps(default) if isinstance(default, list | dict) else default}`"


def settings_table():
    rows = {}
    for service, settings in SETTINGS.items():
        for field, info in settings.model_fields.items():
            row = (f"`DATALAB_{field.upper()}`", shown_default(field, info), info.description)
            rows.setdefault(row, []).append(service)
    lines = ["| variable | default | meaning | read by |", "|---|---|---|---|"]
    for row, services in sorted(rows.items(), key=lambda item: (-len(item[1]), item[1])):
        lines.append(f"| {' | '.join(row)} | {'all' if len(services) == len(SETTINGS) else ', '.join(services)} |")
    return "\n".join(lines)


def metrics_table():
    workers = {"ingest": create_registry(), "operation-runner": create_registry()}
    for registry in workers.values():
        BusMetrics(registry)
    OutboxMetrics(workers["ingest"])
    IngestMetrics(workers["ingest"])
    RemovalMetrics(workers["ingest"])
    RetentionMetrics(workers["ingest"], families=())
    ExecutionMetrics(workers["operation-runner"])
    PreviewMetrics(workers["operation-runner"])
    registries = {"session-api": create_app(SessionApiSettings()).state.core.registry, **workers}
    rows = {}
    for service, registry in registries.items():
        for metric in registry.collect():
            if metric.name.startswith("datalab_"):
                name = f"{metric.name}_total" if metric.type == "counter" else metric.name
                rows.setdefault((f"`{name}`", metric.type, metric.documentation), []).append(service)
    lines = ["| metric | type | counts | of |", "|---|---|---|---|"]
    for row, services in sorted(rows.items(), key=lambda item: (-len(item[1]), item[1])):
        lines.append(f"| {' | '.join(row)} | {'all' if len(services) == len(registries) else ', '.join(services)} |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("settings", settings_table),
        ("metrics", metrics_table),
        ("routes", lambda: routes_table(create_app(SessionApiSettings()))),
    ],
)
def test_the_tables_of_the_operator_guide_are_the_code(root, update_goldens, name, table):
    path = root / "docs/operator-guide.md"
    pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)
    if update_goldens:
        path.write_text(pattern.sub(lambda match: f"{match[1]}{table()}\n{match[3]}", path.read_text()))
    assert pattern.search(path.read_text())[2].strip() == table()


def test_every_setting_is_known_by_name(root, update_goldens):
    path = root / "shared/src/datalab/platform/known_settings.py"
    pattern = re.compile(r"(# settings: [^\n]*\n)(.*?)(# end\n)", re.DOTALL)
    names = sorted({f"DATALAB_{field.upper()}" for settings in SETTINGS.values() for field in settings.model_fields})
    lines = "".join(f'    "{name}",\n' for name in names)
    listed = f"_SETTINGS: Final = (\n{lines})\n"
    if update_goldens:
        path.write_text(pattern.sub(lambda match: f"{match[1]}{listed}{match[3]}", path.read_text()))
    assert pattern.search(path.read_text())[2] == listed


def test_every_variable_in_the_code_is_known(root):
    """Whoever adds one that is no setting, names it there: or every start would warn of it."""
    sources = [*root.glob("shared/src/**/*.py"), *root.glob("services/*/src/**/*.py")]
    sources = [path for path in sources if path.name != "known_settings.py"]
    named = {name for path in sources for name in re.findall(r'"(DATALAB_[A-Z0-9_]+[A-Z0-9])"', path.read_text())}
    assert {"DATALAB_TOKEN", "DATALAB_NATS_URL"} <= named
    assert named <= KNOWN


def code_blocks(path, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def commands(group, prefix=()):
    """Return the names of every command, as tuples of words."""
    found = set()
    for name, command in group.commands.items():
        found |= commands(command, (*prefix, name)) if hasattr(command, "commands") else {(*prefix, name)}
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(root, document):
    path = root / document
    targets = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(root, document):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?<=`)make ([a-z-]+)|^make ([a-z-]+)", (root / document).read_text())) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist_with_their_options(root, document):
    group = typer.main.get_command(app)
    known = commands(group)
    text = (root / document).read_text()
    lines = re.findall(r"(?:^|\$\(|`)(?:\.venv/bin/)?datalab ((?:[a-z]+ ?)+[^`\n)#]*)", text, re.MULTILINE)
    for line in lines:
        words = shlex.split(line)
        path = next((tuple(words[:length]) for length in (3, 2, 1) if tuple(words[:length]) in known), None)
        assert path, f"datalab {line}"
        command = group
        for word in path:
            command = command.commands[word]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_documents_do_name_commands(root):
    """Guards the test above against a pattern that finds nothing."""
    text = (root / "docs/user-guide.md").read_text()
    assert len(re.findall(r"`datalab [a-z]+", text)) >= 10


@pytest.mark.parametrize("document", DOCUMENTS)
def test_variables_are_settings(root, document):
    fields = {
        field for settings in (*SETTINGS.values(), AccessSettings, StoreRuleSettings) for field in settings.model_fields
    }
    known = {f"DATALAB_{field.upper()}" for field in fields}
    known |= {"DATALAB_TOKEN", "DATALAB_API_URL"}  # of the command line
    assert set(re.findall(r"DATALAB_[A-Z0-9_]+[A-Z0-9]\b", (root / document).read_text())) - {"DATALAB_FEED"} <= known


def test_routes_in_the_user_guide_exist(root):
    paths = create_app(SessionApiSettings()).openapi()["paths"]
    patterns = [re.compile(re.sub(r"\{\w+\}", r"[\\w-]+", path) + "/?") for path in paths]
    named = re.findall(r"\$API(/[\w/-]+)", (root / "docs/user-guide.md").read_text())
    assert len(named) >= 6
    for path in named:
        assert any(pattern.fullmatch(f"/api{path}") for pattern in patterns), path


def test_the_announcement_in_the_observatory_guide_is_one(root):
    (example,) = code_blocks(root / "docs/observatory-guide.md", "json")
    event = FileStored.decode(example.encode())
    assert event.subject == f"observatory.{event.site}.image.new"
    assert parse_file_name(Path(event.key).name).site == event.site


def test_the_names_in_the_observatory_guide_follow_their_convention(root):
    text = (root / "docs/observatory-guide.md").read_text()
    rows = re.findall(r"^\| (Photon Ranch|LCO|other) \|.*\| `([^`]+)` \|$", text, re.MULTILINE)
    conventions = {"Photon Ranch": Convention.PHOTON_RANCH, "LCO": Convention.LCO, "other": Convention.OTHER}
    assert {parse_file_name(example).convention: name for name, example in rows} == {
        value: key for key, value in conventions.items()
    }


def test_the_cards_in_the_observatory_guide_are_those_that_are_read(root):
    """The table names what each value is read from, but for further spellings of times, angles and kinds."""
    headers = root / "shared/src/datalab/astro/headers"

    def cards_in(*names):
        text = "".join((headers / name).read_text() for name in names)
        return set(re.findall(r'"([A-Z][A-Z0-9_-]+)"', text))

    guide = (root / "docs/observatory-guide.md").read_text()
    table = guide[guide.index("| what | cards") : guide.index("### Who may see a frame")]
    cards = "".join(row.split("|")[2] for row in table.splitlines() if row.startswith("|"))
    named = set(re.findall(r"`([A-Z][A-Z0-9_-]{1,})`", cards))
    made_up = {
        "CRVAL1",
        "CRVAL2",
        "CTYPE1",
        "CTYPE2",
        "CUNIT1",
        "FILTER1",
        "FILTER2",
    }  # in the code with a number put in
    assert len(named) > 40
    assert cards_in("description.py", "card_reader.py") <= named
    assert named - made_up <= cards_in(*(path.name for path in headers.glob("*.py")))


def test_the_storage_the_operator_guide_names_is_the_topology(root):
    gibibytes = sum(stream.max_bytes for stream in STREAMS) / 1024**3
    assert f"{gibibytes:g} GiB on disk in all" in (root / "docs/operator-guide.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_the_documents_compiles(root, document):
    for block in code_blocks(root / document, "python"):
        compile(block, document, "exec")


def test_every_line_of_the_threat_model_is_held_by_a_test(root):
    rows = [line for line in (root / "docs/threat-model.md").read_text().splitlines() if line.count("|") == 5]
    claims = [row for row in rows if not row.startswith(("| who |", "|---|"))]
    assert len(claims) >= 20
    for claim in claims:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", claim)
        assert named, claim
        for file, test in named:
            assert re.search(rf"^(async )?def {test}\(", (root / file).read_text(), re.MULTILINE), f"{file}::{test}"
