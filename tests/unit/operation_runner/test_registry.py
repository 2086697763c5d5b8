import sys
import textwrap
import uuid

import pytest

from operation_runner.offers.registry import RegistryError, describe, describe_analyses, discover, discover_analyses

GOOD = """
from operation_runner.sdk import Lane, Operation, OperationParameters

class {name}(Operation):
    name = "{name}"
    description = "does nothing"
    version = 1
    lane = Lane.FAST

    class Parameters(OperationParameters):
        number: int = 1

    def compute(self, inputs, parameters, progress):
        yield from ()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that makes a package of the modules given by name and source; it returns the package's name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(**modules):
        name = f"operations_{uuid.uuid4().hex}"
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(source))
        return name

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("operations_"):
            del sys.modules[name]


def test_our_own_operations_are_found():
    assert "Median" in discover(["operation_runner.operations"])


def test_the_operations_of_several_packages_are_offered_together(package):
    assert list(discover(["operation_runner.operations.median"])) == ["Median"]
    found = discover([package(one=GOOD.format(name="One")), package(two=GOOD.format(name="Two"))])
    assert list(found) == ["One", "Two"]
    described = describe(found, producer="test")
    assert [(entry.name, entry.version, entry.lane, entry.producer) for entry in described] == [
        ("One", 1, "fast", "test"),
        ("Two", 1, "fast", "test"),
    ]
    assert described[0].wizard["inputs"]["number"]["default"] == 1
    assert described[0].parameters_schema["properties"]["number"]["type"] == "integer"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("def broken(", "cannot be imported: SyntaxError"),
        ("value = 1", "must define exactly one Operation, but defines 0"),
        (GOOD.format(name="One") + GOOD.format(name="Two"), "must define exactly one Operation, but defines 2"),
        (GOOD.format(name="One").replace("    version = 1\n", ""), "version"),
        (GOOD.format(name="One").replace("    lane = Lane.FAST\n", ""), "lane"),
        (GOOD.format(name="One").replace('    name = "One"\n', ""), "name"),
        (GOOD.format(name="One").replace("    def compute", "    def other"), "compute"),
        (GOOD.format(name="One").replace("version = 1", "version = 0"), "version"),
        (GOOD.format(name="One").replace('"One"', '""'), "name"),
        (GOOD.format(name="One").replace("number: int", "number: bytes"), "number"),
        (GOOD.format(name="One").replace("number: int", "number: int | str"), "number"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(package, source, complaint):
    name = package(good=GOOD.format(name="Good"), odd_one=source)
    with pytest.raises(RegistryError, match=complaint) as raised:
        discover([name])
    assert f"{name}.odd_one" in str(raised.value)


def test_two_operations_of_one_name_are_refused_naming_both_files(package):
    name = package(first=GOOD.format(name="Same"), second=GOOD.format(name="Same"))
    with pytest.raises(RegistryError, match="both define the operation 'Same'") as raised:
        discover([name])
    assert f"{name}.first" in str(raised.value)
    assert f"{name}.second" in str(raised.value)


def test_a_package_that_does_not_exist_is_named():
    with pytest.raises(RegistryError, match="no_such_package cannot be imported"):
        discover(["no_such_package"])


GOOD_ANALYSIS = """
from operation_runner.sdk.analysis import Analysis, AnalysisParameters

class Look(Analysis):
    name = "{name}"
    description = "looks"

    class Parameters(AnalysisParameters):
        number: int = 1

    def analyse(self, image, parameters):
        return {{}}
"""


def test_our_own_analyses_are_found():
    found = discover_analyses(["operation_runner.analysis"])
    assert {"centroiding", "get-jpg", "get-tif", "line-profile", "raw-data", "source-catalog", "wcs"} < set(found)
    assert all(described.description for described in describe_analyses(found, producer="test"))


def test_an_analysis_is_described_by_its_schema(package):
    (described,) = describe_analyses(
        discover_analyses([package(look=GOOD_ANALYSIS.format(name="look-closely"))]), producer="test"
    )
    assert (described.action, described.description, described.producer) == ("look-closely", "looks", "test")
    assert described.parameters_schema["properties"]["number"]["default"] == 1


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("value = 1", "must define exactly one Analysis, but defines 0"),
        (GOOD_ANALYSIS.format(name="Not A Token"), "action"),
        (GOOD_ANALYSIS.format(name="look").replace("    def analyse", "    def other"), "analyse"),
        (GOOD.format(name="One"), "must define exactly one Analysis, but defines 0"),
    ],
)
def test_an_analysis_that_cannot_be_used_is_named(package, source, complaint):
    name = package(odd_one=source)
    with pytest.raises(RegistryError, match=complaint) as raised:
        discover_analyses([name])
    assert f"{name}.odd_one" in str(raised.value)


def test_two_analyses_of_one_name_are_refused(package):
    name = package(first=GOOD_ANALYSIS.format(name="same"), second=GOOD_ANALYSIS.format(name="same"))
    with pytest.raises(RegistryError, match="both define the analysis 'same'"):
        discover_analyses([name])
