"""The command, against a whole system: what people read, what scripts get, and how it ends."""

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE

import numpy as np
import pytest
from astropy.io import fits

from datalab.cli.exit_codes import ExitCode
from datalab.client.rest import Datalab
from support.guides import shell_environment
from support.tour_sky import OBSERVATORY, VARIABLE
from support.waiting import PATIENCE_S

FEW = 3


@pytest.fixture
def frames(tour):
    """The basenames of a few frames of one filter."""
    return [frame.basename for frame in tour.archive.of("colours", filter_name="rp")[:FEW]]


@pytest.fixture
def environment(tour):
    """The variables of Alice, who may also reach bus and object store."""
    alice = {"DATALAB_API_URL": tour.system.api_url, "DATALAB_TOKEN": token_of(tour.alice)}
    return shell_environment() | dict(tour.system.addresses.environment()) | alice


@pytest.fixture
async def datalab(environment, tmp_path):
    """Run the command as Alice in a folder of its own; returns exit code, output and what was said besides."""

    async def run(*words, **variables):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from datalab.cli.main import app; app()",
            *map(str, words),
            cwd=tmp_path,
            env=environment | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, said = await asyncio.wait_for(process.communicate(), timeout=PATIENCE_S)
        return process.returncode, output.decode(), said.decode()

    return run


def token_of(client):
    return client.http.headers["Authorization"].removeprefix("Token ")


async def new_session(tour, name, *basenames):
    """Make a session of Alice's, from then on her newest; return its number."""
    items = [tour.archive[basename].session_item() for basename in basenames]
    return (await tour.alice.api.add_session(name, items))["id"]


async def completed(running):
    code, output, said = await running
    assert code == 0, said
    return output


async def test_from_a_session_to_saved_files(datalab, frames, tmp_path):
    session = int(await completed(datalab("sessions", "add", "By hand", *frames)))
    shown = await completed(datalab("sessions", "show"))
    assert shown.startswith(f"session {session}  By hand  of alice\nframes ({FEW})\n")
    operation = int(await completed(datalab("ops", "start", "normalization", frames[0], frames[1], "--wait")))
    described = await completed(datalab("ops", "show", operation))
    assert described.startswith(f"operation {operation}  Normalization  COMPLETED\n  session   {session}\n")
    saved = (await completed(datalab("ops", "download", operation, "--to", "made"))).split()
    assert sorted(saved) == [f"made/{name}_normalization.fits" for name in sorted(frames[:2])]
    with fits.open(tmp_path / saved[0]) as hdus:
        assert hdus["SCI"].data.ndim == 2
    code, _, said = await datalab("ops", "download", operation, "--to", "made")
    assert (code, "exists already; --overwrite replaces it" in said) == (ExitCode.FAILED, True)
    large = await completed(datalab("ops", "download", operation, "--as", "large"))
    assert all((tmp_path / name).read_bytes().startswith(b"\xff\xd8") for name in large.split())
    (first,) = (await completed(datalab("ops", "download", f"@{operation}.1", "--to", "first"))).split()
    assert f"  @{operation}.1  {first.removeprefix('first/')}" in described
    assert await completed(datalab("ops", "show", f"@{operation}")) == described
    code, _, said = await datalab("ops", "download", f"@{operation}.3")
    assert (code, f"made 2, no @{operation}.3" in said) == (ExitCode.FAILED, True)


async def test_each_output_tells_what_it_was_made_of(datalab, tour, frames):
    await new_session(tour, "Told", *frames)
    shown = json.loads(
        await completed(
            datalab(
                "ops", "start", "Subtraction", *frames[:2], "--set", f"subtraction_file={frames[2]}", "--wait", "--json"
            )
        )
    )
    made_of = [output["inputs"] for output in shown["output"]["output_files"]]
    assert sorted(made_of) == [[name, frames[2]] for name in sorted(frames[:2])]


async def test_operations_on_outputs_wait_and_are_waited_for(datalab, tour, frames):
    session = await new_session(tour, "Chained", *frames)
    first = (await completed(datalab("ops", "start", "Normalization", "*", "--session", session))).strip()
    second = (await completed(datalab("ops", "start", "Median", f"@{first}.1", f"@{first}.2"))).strip()
    await completed(datalab("ops", "wait", first, second, "--timeout", PATIENCE_S))
    listed = await completed(datalab("ops", "list", "--session", session))
    assert [line.split()[0] for line in listed.splitlines()] == [second, first]
    assert listed.count("COMPLETED  100%") == 2
    (name,) = json.loads(await completed(datalab("ops", "download", second, "--json")))
    assert name == f"op{first}_median.fits"


async def test_without_a_session_one_is_made(datalab, tour, frames):
    async with asyncio.timeout(PATIENCE_S):
        carol = await tour_user(tour, "carol")
    operation = (await completed(datalab("ops", "start", "Median", *frames, "--wait", DATALAB_TOKEN=carol))).strip()
    shown = await completed(datalab("sessions", "show", DATALAB_TOKEN=carol))
    assert f"frames ({FEW})" in shown
    assert f"  {operation}  session" in shown


async def tour_user(tour, name):
    async with Datalab(tour.system.api_url, tour.system.admin_token) as admin:
        return await admin.add_user(name, proposals=[OBSERVATORY.proposal])


async def test_data_are_saved_with_their_pictures(datalab, tour, tmp_path):
    names = [frame.basename for frame in tour.archive.of("colours", filter_name="rp")]
    await new_session(tour, "Light", *names)
    target = f"source={VARIABLE.ra_deg},{VARIABLE.dec_deg}"
    words = ("ops", "start", "Aperture Photometry", *names, "--set", target, "--wait")
    operation = (await completed(datalab(*words))).strip()
    saved = (await completed(datalab("ops", "download", operation))).split()
    (data,) = [name for name in saved if name.endswith(".json")]
    told = json.loads((tmp_path / data).read_text())
    pictures = [value for value in json.dumps(told).split('"') if value.endswith(".jpg")]
    assert pictures
    assert all((tmp_path / name).read_bytes().startswith(b"\xff\xd8") for name in pictures)
    assert "X-Amz-Signature" not in (tmp_path / data).read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("ops start Medain a b", ExitCode.NOT_FOUND, "there is no operation 'Medain': did you mean Median?"),
        ("ops start Median nothing-1 nothing-2", ExitCode.FAILED, "nothing-1"),
        ("ops start Median 'nothing*'", ExitCode.USAGE, "no frame of the session fits"),
        ("ops start Stacking a b --set combine=product", ExitCode.USAGE, "sum or average or median"),
        ("ops show 999999", ExitCode.NOT_FOUND, "there is no operation 999999, or it is not yours"),
        ("ops show 1 --session 999999", ExitCode.NOT_FOUND, "There is no such"),
        ("sessions show 999999", ExitCode.NOT_FOUND, "There is no such session, or it is not yours."),
        ("ops list --session 999999", ExitCode.NOT_FOUND, "There is no such session, or it is not yours."),
        ("ops describe Medain", ExitCode.NOT_FOUND, "did you mean Median?"),
        ("watch --session 999999", ExitCode.NOT_FOUND, "There is no such session, or it is not yours."),
    ],
)
async def test_what_cannot_be_is_told_in_a_line(datalab, tour, frames, words, code, said):
    await new_session(tour, "Refused", *frames)
    ended, output, told = await datalab(*(word.strip("'") for word in words.split()))
    assert (ended, output) == (code, ""), told
    assert said in told
    assert told.count("\n") == 1
    assert "{" not in told


async def test_a_token_that_is_not_valid_is_told(datalab):
    for words in (("ops", "list"), ("watch", "--site", "sim"), ("status",)):
        code, _, said = await datalab(*words, DATALAB_TOKEN="0" * 40)
        assert code == ExitCode.NOT_ALLOWED, words
        assert "DATALAB_TOKEN has to be a valid one" in said


async def test_a_user_is_no_administrator(datalab, tour):
    code, _, said = await datalab("users", "list", DATALAB_ADMIN_TOKEN=token_of(tour.alice))
    assert code == ExitCode.NOT_ALLOWED
    assert "You do not have permission" in said


async def test_an_operation_that_fails_ends_the_wait_with_its_message(datalab, tour):
    one, other = (tour.archive.of("colours", filter_name=name)[0].basename for name in ("rp", "gp"))
    await new_session(tour, "Fails", one, other)
    code, output, said = await datalab("ops", "start", "Light Curve", one, "--set", "source=1,-80", "--wait")
    assert code == ExitCode.FAILED
    assert "FAILED: " in said
    assert (await datalab("ops", "wait", output.strip()))[0] == ExitCode.FAILED
    code, _, said = await datalab("ops", "download", output.strip())
    assert (code, "is FAILED: there is nothing to save" in said) == (ExitCode.FAILED, True)


async def test_a_wait_has_an_end(datalab, frames, tour):
    await new_session(tour, "Late", *frames)
    tour.system.supervisor.kill("operation-runner-1", signal.SIGSTOP)
    try:
        code, output, said = await datalab("ops", "start", "Stacking", *frames, "--wait", "--timeout", "0.5")
        assert code == ExitCode.TIMED_OUT
        assert f"goes on: `datalab ops wait {output.strip()}`" in said
    finally:
        tour.system.supervisor.kill("operation-runner-1", signal.SIGCONT)
    await completed(datalab("ops", "wait", output.strip()))


async def test_the_verdict_on_each_file_reaches_whoever_uploads(datalab, tmp_path):
    good, bad, text = tmp_path / "upload_1.fits", tmp_path / "broken.fits", tmp_path / "README.md"
    fits.writeto(good, np.arange(64, dtype="f4").reshape(8, 8))
    bad.write_bytes(good.read_bytes()[:1000])
    text.write_text("no image")
    code, output, said = await datalab("send", "--site", "dem", good, bad, text)
    assert code == ExitCode.FAILED
    verdicts = dict(line.split("  ", 1) for line in output.splitlines())
    assert verdicts[str(good)] == "ingested, frame upload_1"
    assert verdicts[str(bad)].startswith("refused: ")
    assert "nor a FITS file's" in verdicts[str(text)]
    assert "of 3 files: 1 ingested, 2 refused" in said
    await asyncio.sleep(1.1)  # of one second are versions of one size the same to the upload log
    again = json.loads(await completed(datalab("send", "--site", "dem", good, "--json")))
    assert (again["verdict"], again["reason"]) == ("unchanged", "its frame has this file already")
    code, output, _ = await datalab("send", "--site", "mrc", good)
    assert (code, "There is a frame 'upload_1' already, and it is another site's." in output) == (ExitCode.FAILED, True)


async def test_files_of_ones_own_need_nothing_but_a_token(datalab, tour, tmp_path):
    good, bad = tmp_path / "M 31 [Ha].FIT", tmp_path / "holiday.jpg"
    fits.writeto(good, np.arange(64, dtype="f4").reshape(8, 8))
    bad.write_text("no image")
    no_keys = {"DATALAB_NATS_URL": "", "DATALAB_S3_URL": ""}
    code, output, said = await datalab("upload", good, bad, **no_keys)
    verdicts = dict(line.split("  ", 1) for line in output.splitlines())
    assert verdicts[str(good)] == "ingested, frame alice~M 31 _Ha_"
    assert verdicts[str(bad)].startswith("refused: file_name: the file 'holiday.jpg' is no FITS file")
    assert (code, "of 2 files: 1 ingested, 1 refused" in said) == (ExitCode.FAILED, True)
    (again,) = json.loads(await completed(datalab("upload", good, "--json", **no_keys)))
    assert (again["verdict"], again["frame"]) == ("unchanged", "alice~M 31 _Ha_")


async def test_frames_are_found_shown_and_saved(datalab, tour, frames, tmp_path):
    listed = json.loads(await completed(datalab("frames", "list", "--site", "sim", "--limit", 0, "--json")))
    assert set(frames) <= {frame["basename"] for frame in listed}
    assert [frame["observation_date"] for frame in listed] == sorted(
        (frame["observation_date"] for frame in listed), reverse=True
    )
    shown = await completed(datalab("frames", "show", frames[0]))
    assert re.search(rf"^basename +{frames[0]}$", shown, re.MULTILINE)
    headers = json.loads(await completed(datalab("frames", "headers", frames[0], "--json")))
    assert headers["SITEID"] == "sim"
    near = ("--ra", headers["CRVAL1"], "--dec", headers["CRVAL2"], "--radius", "0.01")
    assert frames[0] in await completed(datalab("frames", "list", *near, "--limit", 0))
    assert await completed(datalab("frames", "list", "--ra", 1, "--dec", -89, "--mine")) == ""
    some = await completed(datalab("frames", "list", "--limit", 2, "--filter", "rp"))
    assert some.count("\n") == 2

    saved = (await completed(datalab("frames", "download", *frames, "--to", "got"))).split()
    assert sorted(saved) == sorted(f"got/{path.name}" for path in (tmp_path / "got").iterdir())
    assert len(saved) == FEW
    with fits.open(tmp_path / saved[0]) as hdus:
        assert hdus["SCI"].header["SITEID"] == "sim"
    first = f"got/{frames[0]}-EX00.fits.fz"
    again = await completed(datalab("frames", "download", f"{frames[0][:-1]}*", "--to", "got"))
    assert f"{first}  unchanged\n" in again
    (tmp_path / first).write_bytes(b"mine")
    code, _, said = await datalab("frames", "download", frames[0], "--to", "got")
    assert (code, "exists already; --overwrite replaces it" in said) == (ExitCode.FAILED, True)
    assert (tmp_path / first).read_bytes() == b"mine"
    await completed(datalab("frames", "download", frames[0], "--to", "got", "--overwrite"))
    assert (tmp_path / first).read_bytes() != b"mine"


async def test_strangers_find_what_is_public_only(datalab, frames):
    listed = await completed(datalab("frames", "list", "--site", "sim", "--limit", 0, DATALAB_TOKEN=""))
    assert not [name for name in frames if name in listed]
    code, _, said = await datalab("frames", "show", frames[0], DATALAB_TOKEN="")
    assert (code, f"there is no frame '{frames[0]}', or none you may read" in said) == (ExitCode.NOT_FOUND, True)


@pytest.mark.parametrize("via", ["http", "nats"])
async def test_a_night_is_played_and_told(datalab, tour, via):
    words = ("--site", f"ni{via[0]}", "--night", "2026-11-28", "--exposures", 2, "--filters", "rp,gp", "--pixels", 128)
    code, _, said = await datalab("observatory", "simulate", *words, "--via", via)
    assert code == 0, said
    assert "6 files: 6 ingested" in said
    again = await completed(datalab("observatory", "simulate", *words, "--via", via))
    assert again.count("unchanged") == 6, again
    listed = json.loads(await completed(datalab("frames", "list", "--site", f"ni{via[0]}", "--json")))
    assert sorted(frame["primary_optical_element"] for frame in listed) == ["gp", "rp"]


async def test_info_images_of_a_night_are_shown_on_their_channels(datalab, tour):
    words = ("--site", "inf", "--exposures", 2, "--pixels", 128, "--info-every", 1)
    told = await completed(datalab("observatory", "simulate", *words))
    assert told.count("ingested, frame none: it is shown") == 2, told
    async with Datalab(tour.system.api_url, None) as anybody:
        shown = [await anybody.call("GET", f"infoimage/inf/{channel}") for channel in (1, 2, 3)]
    assert [package.get("channel") for package in shown] == ["1", "2", None]


async def test_frames_are_deleted_by_who_may(datalab, tour, tmp_path):
    for number in (1, 2):
        fits.writeto(tmp_path / f"delete_{number}.fits", np.full((8, 8), number, dtype="f4"))
    await completed(datalab("upload", "delete_1.fits", "delete_2.fits"))
    session = await completed(datalab("sessions", "add", "Uses one", "alice~delete_2"))
    listed = json.loads(await completed(datalab("frames", "list", "--mine", "--limit", 0, "--json")))
    assert {"alice~delete_1", "alice~delete_2"} <= {frame["basename"] for frame in listed}
    code, output, said = await datalab("frames", "delete", "alice~delete_*", "--yes")
    assert (code, output) == (ExitCode.FAILED, "alice~delete_1  deleted\n"), said
    assert f"alice~delete_2: The frame is in use: session {session.strip()}" in said
    assert (await datalab("frames", "show", "alice~delete_1"))[0] == ExitCode.NOT_FOUND
    assert await completed(datalab("frames", "delete", "alice~delete_2", "--yes", "--force")) == (
        "alice~delete_2  deleted\n"
    )
    foreign = tour.archive.of("colours", filter_name="rp")[0].basename
    code, _, said = await datalab("frames", "delete", foreign, "--yes")
    assert (code, "You do not have permission" in said) == (ExitCode.NOT_ALLOWED, True)


async def test_the_feed_of_a_site_begins_with_its_latest_files(datalab, tour, environment):
    await completed(datalab("observatory", "simulate", "--site", "fee", "--exposures", 1, "--pixels", 128))
    process = await asyncio.create_subprocess_exec(
        "datalab", "watch", "--site", "fee", env=environment, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        assert {b"data/fee-" in await process.stdout.readline() for _ in range(3)} == {True}
        assert b"listening" in await process.stderr.readline()
        new = ("--first-number", 2, "--exposures", 1, "--pixels", 128)
        await completed(datalab("observatory", "simulate", "--site", "fee", *new))
        line = await process.stdout.readline()
        assert b"  frame fee-" in line
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


async def test_watching_begins_with_how_things_stand(datalab, tour, environment, frames):
    session = await new_session(tour, "Watched", *frames)
    operation = (await completed(datalab("ops", "start", "Median", *frames, "--wait"))).strip()
    process = await asyncio.create_subprocess_exec(
        "datalab", "watch", "--session", str(session), env=environment, stdout=asyncio.subprocess.PIPE
    )
    line = (await asyncio.wait_for(process.stdout.readline(), timeout=PATIENCE_S)).decode()
    assert line.strip().partition("  ")[2] == f"session {session} operation {operation} Median: COMPLETED 100%"
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), timeout=PATIENCE_S) == 130


async def test_whoever_stops_reading_ends_what_goes_on(datalab, environment, frames):
    session = int(await completed(datalab("sessions", "add", "Left", *frames)))
    process = await asyncio.create_subprocess_exec(
        "datalab", "watch", "--session", str(session), env=environment, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        assert b"listening" in await process.stderr.readline()
        process._transport.get_pipe_transport(1).close()
        assert (await process.wait(), await process.stderr.read()) == (ExitCode.NOBODY_READS, b"")


async def test_another_server_is_no_datalab(datalab, tour):
    for words in (("ops", "list"), ("status",), ("ops", "show", "@1")):
        code, _, said = await datalab(*words, DATALAB_API_URL=tour.system.addresses.s3_url)
        assert (code, "is no Datalab" in said, said.count("\n")) == (ExitCode.UNREACHABLE, True, 1)


async def test_the_status_tells_what_works_and_what_waits(datalab):
    told = json.loads(await completed(datalab("status", "--json")))
    assert told["status"] == "ready"
    assert set(told["dependencies"].values()) == {"ok"}
    assert told["operations"] >= 19
    assert {queue["consumer"] for queue in told["queues"]} >= {"runner-fast", "projector", "file-ingest"}
    as_text = await completed(datalab("status", DATALAB_TOKEN="", DATALAB_NATS_URL=""))
    assert re.search("^state +ready$", as_text, re.MULTILINE)
    assert "operations" not in as_text
