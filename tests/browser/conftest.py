"""A browser on PATH, and a system with the demonstration's night that it looks at."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from datalab.cli.work.demo import Demo
from datalab.cli.work.demonstration import DEMO_USER
from datalab.client.rest import Datalab
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: WebGL without a graphics card.
OPTIONS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TESTS = Path(__file__).parents[1]
#: Besides what there is, operations that take long, and that fail in every way.
ENVIRON = {
    "DATALAB_OPERATION_PACKAGES": '["operation_runner.operations", "support.slow_operations"]',
    "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
}


@pytest.fixture(scope="package")
async def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser on PATH: {', '.join(BROWSERS)} (apt-get install chromium)")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield running
        await running.close()


@pytest.fixture(scope="module")
async def system(browser, tmp_path_factory):
    """A system after `datalab demo`: one for each file, whose tests may count on what is there."""
    folder, reach = tmp_path_factory.mktemp("lab"), Reach(api_port=free_port())
    async with running_system(folder, reach=reach, environ={**os.environ, **ENVIRON}) as running:
        await Demo(running, say=lambda _: None).run(None)
        yield running


@pytest.fixture(scope="module")
async def lab(system):
    """The administrator of the system, and the address of its console."""
    async with Datalab(system.api_url, system.admin_token) as admin:
        yield admin, f"{system.api_url}/"


@pytest.fixture
async def visitor(browser, lab):
    """Opens a page for a user, logged in by a link; what goes wrong in it fails the test."""
    admin, _ = lab
    contexts, faults = [], []

    async def visit(name=DEMO_USER, **options):
        context = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        await page.goto(await admin.login_link(name))
        return page

    visit.faults = faults
    yield visit
    for context in contexts:
        await context.close()
    assert faults == []
