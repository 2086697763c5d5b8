"""`make test-clients`: programs that others wrote, unmodified, pointed at our system by configuration alone.

They are installed from the package index into an environment of their own (`.venv-clients`), whose pins
(`constraints-clients.txt`) are not ours. Where the index cannot be reached and nothing is installed, nothing is tested,
and that is said so that nobody overlooks it. The last line is JSON.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from datalab.client.rest import Datalab
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from datalab.platform.objects.store import ObjectStore
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import jpeg_bytes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / ".venv-clients"
PINS = ROOT / "constraints-clients.txt"
#: What is tried; the pins hold these versions, and those of all they need.
CLIENTS = ("ocs-ingester", "tomtoolkit", "requests")
#: What pip says when it is the network, and not what was asked for.
NO_NETWORK = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "ProtocolError",
    "ConnectionReset",
    "RemoteDisconnected",
    "NameResolutionError",
    "Temporary failure in name",
)
REQUEST = 4711
OBSERVATORY = SimulatedObservatory(camera=Camera(rows=120, columns=160, pixel_scale_arcsec=2.0))
TELESCOPE = f"{OBSERVATORY.site.code}1m0a1"
#: What the headers of the few real frames lack, and whoever uses the ingester as a library gives beside the file.
REAL_METADATA = {
    "PROPID": "REAL2026",
    "DATE-OBS": "2026-05-04T22:00:00.417",
    "DAY-OBS": "20260504",
    "INSTRUME": "ab12",
    "SITEID": "tst",
    "TELID": "1m0a",
    "OBSTYPE": "EXPOSE",
    "BLKUID": 77,
    "RLEVEL": 91,
    "OBJECT": "M 31",
    "REQNUM": 88,
    "L1PUBDAT": "2026-05-05T00:00:00",
}


def install():
    """Make the clients' environment, unless it is there; return whether it is."""
    stamp = ENVIRONMENT / ".installed"
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    print(f"Installing {', '.join(CLIENTS)} into {ENVIRONMENT.name} (once) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
    # The pins are all there is to install: nothing has to be resolved; and what is imported once is compiled then.
    options = ["--disable-pip-version-check", "--quiet", "--no-deps", "--no-compile"]
    pip = [ENVIRONMENT / "bin/python", "-m", "pip", "install", *options, "-r", PINS]
    environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}  # those pins are ours
    done = subprocess.run(pip, env=environ, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        stamp.write_text(wanted)
        return True
    if any(sign in done.stderr for sign in NO_NETWORK):
        return False
    raise SystemExit(f"the clients cannot be installed:\n{done.stderr}")


def client(script, *arguments, environ, said=""):
    """Run one of the clients; return the lines it wrote."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATALAB_", "PYTHON", "PIP_"))}
    done = subprocess.run(
        [ENVIRONMENT / "bin/python", HERE / script, *map(str, arguments)],
        env={**clean, **environ},
        input=said,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def simulated(folder):
    """Write a short night as LCO names its files: raw and reduced, each with a picture; return what to ingest."""
    files = []
    plan = NightPlan(n_exposures=3, filters=("rp", "V"), exposure_s=30.0)
    fits_files = [each for each in OBSERVATORY.night(plan) if each.kind == "fits"]
    for each in fits_files:
        header = each.exposure.header
        level = int(header["RLEVEL"])
        frame = f"{TELESCOPE}-{header['INSTRUME']}-{header['DAY-OBS']}-{header['FRAMENUM']:04d}-e{level:02d}"
        path = folder / f"{frame}.fits.fz"
        path.write_bytes(each.content)
        files.append((path, {"REQNUM": REQUEST}, None))
        if level:
            picture = folder / f"{frame}-small.jpg"
            picture.write_bytes(jpeg_bytes(each.exposure))
            kept = ("DATE-OBS", "DAY-OBS", "INSTRUME", "SITEID", "TELID", "PROPID")
            files.append((picture, {key: header[key] for key in kept} | {"frame_basename": frame}, "small"))
    return files


def real(folder):
    """Return the few real frames as they are to be ingested, [] where there are none."""
    return [(path, REAL_METADATA, None) for path in sorted(Path(folder).glob("*.fits*"))] if folder else []


def ingest(files, keys):
    """Have the real ingester ingest files; return what it says, in their order."""
    said = json.dumps([(str(path), metadata, size) for path, metadata, size in files])
    environ = {**keys, "OPENTSDB_PYTHON_METRICS_TEST_MODE": "True"}
    return [json.loads(line) for line in client("ingest_files.py", environ=environ, said=said)]


async def told(script, *arguments, environ):
    """Run one of the clients beside the system; return what its last line says."""
    return json.loads((await asyncio.to_thread(client, script, *arguments, environ=environ))[-1])


async def check(system, folder):
    """Try every client; return figures. Raises `AssertionError`."""
    archive = f"{system.api_url.rstrip('/')}"
    archive = archive if archive.endswith("/api") else f"{archive}/api"
    origin = archive.removesuffix("api")
    async with Datalab(system.api_url, system.admin_token) as admin:
        ingester = await admin.add_user("ocs", ingests=[OBSERVATORY.site.code, "tst"])
        member = await admin.add_user("member", proposals=[OBSERVATORY.proposal])
        async with admin.as_user(ingester) as api:
            keys = {**await api.call("GET", "ocs-store/"), "AUTH_TOKEN": ingester}
    files = [*simulated(folder), *real(os.environ.get("DATALAB_REAL_DATA"))]
    fits_files = {path.name: path for path, _, size in files if not size}
    pictures = [path for path, _, size in files if size]

    # --- ocs-ingester, twice
    began = time.monotonic()
    first = await asyncio.to_thread(ingest, files, keys)
    assert [each["outcome"] for each in first] == ["ingested"] * len(files), first
    assert not any(each["known"] for each in first)
    assert all(each["frameid"] and each["url"] for each in first if each["path"].endswith((".fits", ".fz"))), first
    assert all(each["thumbnail_id"] for each in first if each["path"].endswith(".jpg")), first
    again = await asyncio.to_thread(ingest, files, keys)
    assert [(each["known"], each["outcome"]) for each in again] == [(True, "exists")] * len(files), again
    ingest_s = time.monotonic() - began
    async with ObjectStore(system.s3_settings) as store:
        objects = [each.key async for each in store.list("recorded/")]
    assert len(objects) == len(files), objects
    async with Datalab(system.api_url, system.admin_token) as admin:
        listed = await admin.call("GET", "frames/?limit=1000&include_thumbnails=true")
        frames = {each["filename"]: each for each in listed["results"]}
        assert sorted(frames) == sorted(fits_files), listed
        for name, path in fits_files.items():
            assert len(frames[name]["version_set"]) == 1
            assert frames[name]["version_set"][0]["md5"] == md5_of(path.read_bytes())
        for path in pictures:
            frame = next(each for each in listed["results"] if path.name == f"{each['basename']}-small.jpg")
            small = next(each for each in frame["thumbnails"] if each["size"] == "small")
            assert await admin.download(small["url"]) == path.read_bytes()
        # A frame that came so is looked at as any other is.
        shown = await admin.call(
            "POST",
            "analysis/wcs/",
            json={"basename": frame["basename"], "source": "archive", "width": 80, "height": 60},
        )
        assert shown, shown
        inputs = [{"source": "archive", "basename": frames[name]["basename"]} for name in frames if TELESCOPE in name]
        session = await admin.call("POST", "datasessions/", json={"name": "of an ingester", "input_data": inputs})
        operations = f"datasessions/{session['id']}/operations/"
        asked = {"name": "Median", "input_data": {"input_files": inputs[:2]}}
        median = (await admin.call("POST", operations, json=asked))["id"]
        await admin.ended(session["id"], median)
        made = await admin.call("GET", f"{operations}{median}/")
        assert made["status"] == "COMPLETED", made

    # --- a script with requests, TOM Toolkit
    environ = {"ARCHIVE_USERNAME": "member", "ARCHIVE_PASSWORD": member}
    script = await told("archive_script.py", f"{archive}/", OBSERVATORY.proposal, environ=environ)
    reduced = {name: md5_of(path.read_bytes()) for name, path in fits_files.items() if name.endswith("-e91.fits.fz")}
    assert {name: each["md5"] for name, each in script["found"].items()} == reduced, script
    assert all(each["md5"] == each["md5_told"] for each in script["found"].values())
    assert script["pages"] == -(-len(reduced) // 2), script
    assert script["without_token"] == 0, script
    tom = await told("tom_products.py", origin, REQUEST, environ=environ)
    ours = {name: md5_of(path.read_bytes()) for name, path in fits_files.items() if name.startswith(TELESCOPE)}
    for facility in ("LCO", "OCS"):
        assert tom[facility]["listed"] == sorted(ours), tom
        assert len(tom[facility]["one"]) == 1
        assert sorted(tom[facility]["saved"].values()) == sorted(ours.values()), tom
    return {"files": len(files), "real": len(real(os.environ.get("DATALAB_REAL_DATA"))), "ingest_s": round(ingest_s, 1)}


def md5_of(content):
    return hashlib.md5(content).hexdigest()


def show_logs(root):
    for log in sorted(root.rglob("*.log")):
        print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-30:], sep="\n", file=sys.stderr)


async def run(root, files):
    async with running_system(root, reach=Reach(api_port=free_port()), environ={}) as system:
        try:
            return await check(system, files)
        except BaseException:
            show_logs(root)
            raise


def main():
    with tempfile.TemporaryDirectory(prefix="datalab-clients-") as folder:
        files = Path(folder, "files")
        files.mkdir()
        return asyncio.run(run(Path(folder, "system"), files))


if __name__ == "__main__":
    if not install():
        print("=" * 100)
        print("NOT TESTED: the package index cannot be reached, so ocs-ingester, tomtoolkit and requests are not here.")
        print("=" * 100)
        print(json.dumps({"name": "clients", "tested": False}))
    else:
        figures = main()
        versions = subprocess.run(
            [ENVIRONMENT / "bin/python", "-m", "pip", "--disable-pip-version-check", "list", "--format=json"],
            capture_output=True,
            text=True,
            check=True,
        )
        installed = {each["name"]: each["version"] for each in json.loads(versions.stdout)}
        names = {name: installed.get(name) or installed[name.replace("-", "_")] for name in CLIENTS}
        print(json.dumps({"name": "clients", "tested": True, **figures, "versions": names}))
