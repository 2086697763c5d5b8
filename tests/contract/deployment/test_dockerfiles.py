"""The images: one per service, slim, not root, and honest about what is inside."""

import re
import subprocess
import sys
from importlib.metadata import requires
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from datalab.platform.health import Health, health_routes
from datalab.platform.metrics import create_registry

SCIENCE = {"astropy", "numpy", "pillow", "pyerfa", "scipy"}
BLOCK_SCIENCE = "import sys; sys.modules.update(dict.fromkeys(['astropy', 'numpy', 'PIL', 'scipy']))"
#: What each image installs of ours.
CONTENTS = {
    "session-api": {"datalab-shared[platform]", "datalab-session-api"},
    "ingest": {"datalab-shared[platform,astro]", "datalab-ingest"},
    "operation-runner": {"datalab-shared[platform,astro]", "datalab-operation-runner"},
    "setup": {"datalab-shared[cli]"},
    "sites": {"datalab-shared[cli]"},
}
WORKERS = ["ingest", "operation-runner"]


def closure(*specifiers):
    """Return every distribution that `pip install` of `specifiers` brings, as the installed metadata say."""
    waiting = [Requirement(text) for text in specifiers]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in requires(name) or []:
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return {name for name, _ in seen}


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CONTENTS)
def test_the_image_installs_what_we_think(dockerfiles, root, name):
    (pip,) = [line for line in dockerfiles[name].all("RUN") if "pip " in line]
    assert "--no-cache-dir" in pip
    assert "-c constraints.txt" in pip
    installed = set()
    for folder, extras in re.findall(r"(?<=\s)\"?\./([\w/-]+)(\[[\w,]+\])?", pip):
        project = re.search(r'^name = "(.+)"$', (root / folder / "pyproject.toml").read_text(), re.MULTILINE)[1]
        installed.add(project + extras)
    assert installed == CONTENTS[name]


@pytest.mark.parametrize("name", ["session-api", "setup"])
def test_no_science_stack_comes_with_it(name):
    assert not closure(*CONTENTS[name]) & SCIENCE


@pytest.mark.parametrize("name", WORKERS)
def test_workers_do_bring_it(name):
    """Guards the test above: the closure is not simply empty."""
    assert closure(*CONTENTS[name]) >= {"astropy", "numpy", "pillow", "nats-py"}


def test_the_session_api_starts_without_a_science_stack():
    result = run_python(f"{BLOCK_SCIENCE}; import session_api.__main__")
    assert result.returncode == 0, result.stderr


def test_the_command_line_works_without_a_science_stack():
    result = run_python(f"{BLOCK_SCIENCE}; sys.argv = ['datalab', '--help']; from datalab.cli.main import app; app()")
    assert result.returncode == 0, result.stderr
    commands = re.findall(r"^│ ([a-z]+) ", result.stdout, re.MULTILINE)
    assert "topology" in commands
    assert "up" not in commands


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_copied_exists_and_is_not_ignored(dockerfiles, root, name):
    ignore = (root / ".dockerignore").read_text().splitlines()
    for line in dockerfiles[name].all("COPY"):
        if line.startswith("--from="):
            continue
        for source in line.split()[:-1]:
            assert (root / source).exists(), source
            assert {f"!{source.split('/')[0]}", f"!{source}"} & set(ignore), source


@pytest.mark.parametrize("name", CONTENTS)
def test_the_base_is_pinned_and_the_same_everywhere(dockerfiles, name):
    pages = [line for line in dockerfiles[name].all("FROM") if line.endswith(" AS console")]
    assert len(pages) == (name == "session-api")
    assert all(re.match(r"node:\d+\.\d+\.\d+-\w+-slim ", line) for line in pages)
    others = [line for file in dockerfiles.values() for line in file.all("FROM") if not line.endswith(" AS console")]
    (base,) = {line.split()[0] for line in others}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert len(dockerfiles[name].all("FROM")) == 2 + len(pages)  # what builds stays behind


@pytest.mark.parametrize("name", CONTENTS)
def test_nothing_runs_as_root(dockerfiles, name):
    keywords = [keyword for keyword, _ in dockerfiles[name].instructions]
    (user,) = dockerfiles[name].all("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert "RUN" not in keywords[keywords.index("USER") :]


@pytest.mark.parametrize("name", [*WORKERS, "session-api"])
def test_the_health_check_asks_a_route_there_is(dockerfiles, name):
    routes = {path for path, _ in health_routes(Health({}), create_registry())}
    (check,) = dockerfiles[name].all("HEALTHCHECK")
    port, path = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", check).groups()
    assert path in routes
    assert [port] == dockerfiles[name].all("EXPOSE") == [dockerfiles[name].environment["DATALAB_HTTP_PORT"]]


@pytest.mark.parametrize("name", [*WORKERS, "session-api"])
def test_the_entry_point_is_a_module(dockerfiles, name):
    (entry,) = dockerfiles[name].all("ENTRYPOINT")
    module = re.fullmatch(r'\["python", "-m", "(\w+)"\]', entry)[1]
    assert find_spec(f"{module}.__main__")


@pytest.mark.parametrize("name", WORKERS)
def test_the_scratch_folder_is_the_volume(dockerfiles, compose, name):
    folder = dockerfiles[name].environment["DATALAB_SCRATCH_DIR"]
    assert dockerfiles[name].all("VOLUME") == [folder]
    assert compose[name]["volumes"] == [folder]
    assert any(f"-g 10001 {folder}" in line for line in dockerfiles[name].all("RUN"))
