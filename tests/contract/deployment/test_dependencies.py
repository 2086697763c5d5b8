"""What is installed for a service alone is all it imports: here, one service's packages serve all the others, too."""

import ast
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
SERVICES = {path.parent.name: path.parents[2].name for path in ROOT.glob("services/*/src/*/__main__.py")}
#: The folder each of our packages is in.
OURS = {"datalab": ROOT / "shared/src"} | {
    package: ROOT / "services" / service / "src" for package, service in SERVICES.items()
}
#: Modules of others that work only with what these bring as an extra.
OF_EXTRAS = {"uvicorn.protocols.http.httptools_impl": "httptools"}
DISTRIBUTIONS = packages_distributions()


def file_of(module):
    """Return the file of a module of ours, None if it is no module (a name in one), or somebody else's."""
    root = module.partition(".")[0]
    if root not in OURS:
        return None
    base = OURS[root] / module.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def imports_of(path):
    """Yield the modules a file imports, wherever in it, and what it takes from them, which may be modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def imported(package):
    """Return the packages of others that a service imports, itself or in what it imports of ours."""
    folder = OURS[package]
    unread = [".".join(path.relative_to(folder).with_suffix("").parts) for path in (folder / package).rglob("*.py")]
    read, others = set(), set()
    while unread:
        module = unread.pop()
        if module in read:
            continue
        read.add(module)
        root = module.partition(".")[0]
        path = file_of(module)
        if path is not None:
            unread += imports_of(path)
            unread += [module.rpartition(".")[0]] if "." in module else []
        elif root not in OURS and root not in sys.stdlib_module_names and root != "__future__":
            others |= {root, OF_EXTRAS.get(module, root)}
    return others


def installed_with(distribution):
    """Return the distributions that come with one, its extras and theirs included."""
    wanted, found = [(distribution, frozenset())], set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for text in requires(name) or []:
            need = Requirement(text)
            if any(need.marker is None or need.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                wanted.append((canonicalize_name(need.name), frozenset(need.extras)))
    return {name for name, _ in found}


@pytest.mark.parametrize("package", SERVICES)
def test_a_service_alone_has_all_it_imports(package):
    have = installed_with(f"datalab-{SERVICES[package]}")
    missing = {
        module for module in imported(package) if not {canonicalize_name(name) for name in DISTRIBUTIONS[module]} & have
    }
    assert missing == set()
