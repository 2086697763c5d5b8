"""The deployment files, read as Docker reads them."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<text>[^}]*))?\}")


class Compose:
    """docker-compose.yml with the variables of deploy/example.env filled in."""

    def __init__(self, text, values):
        self.variables = {match["name"]: match["kind"] for match in _VARIABLE.finditer(text)}
        filled = _VARIABLE.sub(lambda match: values.get(match["name"]) or self._default(match), text)
        self.content = yaml.safe_load(filled)
        self.services = self.content["services"]

    def __getitem__(self, service):
        return self.services[service]

    def environment(self, service):
        return self.services[service].get("environment", {})

    @staticmethod
    def _default(match):
        return match["text"] if match["kind"] == "-" else f"placeholder-for-{match['name'].lower()}"


class Dockerfile:
    """The instructions of a Dockerfile, line continuations joined, comments left out."""

    def __init__(self, path):
        self.path = path
        text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
        lines = re.sub(r"\\\n\s*", " ", text).splitlines()
        self.instructions = [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]

    def all(self, keyword):
        return [argument for name, argument in self.instructions if name == keyword]

    @property
    def environment(self):
        pairs = (pair.partition("=") for line in self.all("ENV") for pair in line.split())
        return {name: value for name, _, value in pairs}


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def example_env():
    """The variables of deploy/example.env; None where the operator has to fill in."""
    lines = (ROOT / "deploy/example.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value or None for name, _, value in pairs}


@pytest.fixture(scope="session")
def compose(example_env):
    return Compose((ROOT / "docker-compose.yml").read_text(), example_env)


@pytest.fixture(scope="session")
def dockerfiles(compose):
    """The Dockerfile of every service that is built."""
    return {
        name: Dockerfile(ROOT / service["build"]["dockerfile"])
        for name, service in compose.services.items()
        if "build" in service
    }
