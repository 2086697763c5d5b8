"""What browsers are given at `/`, and what others still are."""

import gzip
import re

import pytest

from session_api.console.pages import read_pages
from support.session_api import running_world

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        yield world


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


async def test_browsers_get_the_console_and_clients_of_photon_ranch_their_greeting(anybody):
    page = await anybody.get("/", headers=BROWSER)
    assert page.status_code == 200, page.text
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    greeting = await anybody.get("/")
    assert greeting.text == "New photon ranch API"
    assert "Accept" in page.headers["vary"]
    assert "Accept" in greeting.headers["vary"]


async def test_a_page_runs_scripts_of_ours_only(anybody):
    page = await anybody.get("/", headers=BROWSER)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", page.text), "nothing inline"
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert (await anybody.get(address)).status_code == 200, address


async def test_what_it_loads_is_kept_by_browsers_for_ever_and_comes_compressed(anybody):
    page = await anybody.get("/", headers=BROWSER)
    (script,) = re.findall(r'src="(/console/assets/[^"]+\.js)"', page.text)
    reply = await anybody.get(script)
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["content-encoding"] == "gzip"
    plain = await anybody.get(script, headers={"Accept-Encoding": "identity"})
    assert plain.content == reply.content
    again = await anybody.get(script, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["", "none.js", "../http.py", "..%2fhttp.py", "assets/../../pages.py", "index.html/x"])
async def test_nothing_else_is_handed_out(anybody, name):
    assert (await anybody.get(f"/console/{name}")).status_code == 404


def test_files_are_read_once_with_what_browsers_need_to_know(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<html>" + "a" * 1000)
    (tmp_path / "assets" / "x-1.js").write_text("1")
    pages = read_pages(tmp_path)
    assert gzip.decompress(pages["index.html"].compressed) == pages["index.html"].content
    assert (pages["assets/x-1.js"].media_type, pages["assets/x-1.js"].compressed) == ("application/javascript", None)
    assert (pages["assets/x-1.js"].immutable, pages["index.html"].immutable) == (True, False)
    assert read_pages(tmp_path / "not built") == {}
