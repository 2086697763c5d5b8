"""The console in a headless Chromium: how soon an image of 61 million pixels (`.fz`) is seen, and all that comes after.

First page: from opening the console's address, with nothing in the browser's cache, until the frames are listed.
Visible, sharp: from following the link of a frame that nobody has looked at until something of it is drawn, and until
all tiles are that the screen can show. The processes of the runner run already; `first_look_s` is the first look of
all, which starts them. Tiles: one after the other, each for the first time, of an image that is known. Stretch: the
work from choosing another until the graphics are done, without the wait for the next frame of the screen. Blink:
images turned in a second, of 20 that lie over each other on the sky, at a speed of 30. Without a graphics card, which
few machines that run this have, WebGL is done by the processor.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from cutout import SITE, ingest
from datalab.client.rest import Datalab
from datalab.local.system import System, running_system
from support import report, write_frames

#: Its square is 61 million pixels, as those of a camera with a sensor of 36 x 24 mm.
LARGE_SIDE = 7811
LARGE_FRAMES = 3
BLINK_SIDE = 2048
BLINK_FRAMES = 20
TILES = 60
STRETCHES = 40
BLINK_S = 4.0
PATIENCE_MS = 300_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: WebGL without a graphics card.
OPTIONS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SCREEN: Any = {"width": 1280, "height": 900}

#: Counts questions about tiles as the page asks them.
WATCH = """() => {
  window.tiles = { asked: 0, open: 0, last: 0 };
  const plain = window.fetch;
  window.fetch = async (...given) => {
    const isTile = String(given[0]?.url ?? given[0]).includes("/analysis/tile");
    if (!isTile) return plain(...given);
    window.tiles.asked++;
    window.tiles.open++;
    try {
      const reply = await plain(...given);
      const body = await reply.arrayBuffer();
      return new Response(body, { status: reply.status, headers: reply.headers });
    } finally {
      window.tiles.open--;
      window.tiles.last = performance.now();
    }
  };
}"""

#: Follows a link, and returns the seconds until something is drawn, and until nothing is asked for any more.
LOOK = """async (address) => {
  const frame = () => new Promise(requestAnimationFrame);
  const began = performance.now();
  window.tiles.asked = 0;
  location.hash = address;
  const pixel = new Uint8Array(4);
  const isDrawn = () => {
    const canvas = document.querySelector(".stage canvas");
    const gl = canvas?.getContext("webgl2");
    if (!gl) return false;
    gl.readPixels(canvas.width >> 1, canvas.height >> 1, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    return pixel[0] !== 5 || pixel[1] !== 8 || pixel[2] !== 15;
  };
  while (!isDrawn()) await frame();
  const visible = performance.now();
  let quiet = 0;
  while (quiet < 3) {
    await frame();
    quiet = window.tiles.asked > 0 && window.tiles.open === 0 ? quiet + 1 : 0;
  }
  return [(visible - began) / 1000, (window.tiles.last - began) / 1000];
}"""

#: Waits until nothing that is seen is missing: a machine that is too busy for a tile is asked again.
SETTLED = """async () => {
  for (let quiet = 0; quiet < 180; quiet++) {
    await new Promise(requestAnimationFrame);
    if (window.tiles.open > 0 || document.querySelector(".image [role=alert]:not(:empty)") !== null) quiet = 0;
  }
}"""

#: Asks for tiles one after the other, as the page does; returns the milliseconds of each.
ASK = """async ([basename, places]) => {
  const spent = [];
  for (const [column, row] of places) {
    const began = performance.now();
    const reply = await fetch("/api/analysis/tile/", {
      method: "POST",
      headers: { "X-Datalab-Page": "1", "Content-Type": "application/json" },
      body: JSON.stringify({ basename, source: "archive", level: 0, column, row }),
    });
    if (!reply.ok) throw new Error(await reply.text());
    await reply.arrayBuffer();
    spent.push(performance.now() - began);
  }
  return spent;
}"""

#: Chooses one stretch after the other; returns the milliseconds of each change, until the graphics are done.
STRETCH = """async (count) => {
  const canvas = document.querySelector(".stage canvas");
  const gl = canvas.getContext("webgl2");
  const label = [...document.querySelectorAll(".controls label")].find((each) => each.textContent.includes("Stretch"));
  const choice = label.querySelector("select");
  const shown = () => {
    const seen = new Uint8Array(4 * 256 * 256);
    gl.readPixels((canvas.width >> 1) - 128, (canvas.height >> 1) - 128, 256, 256, gl.RGBA, gl.UNSIGNED_BYTE, seen);
    return seen.reduce((sum, each) => sum + each, 0);
  };
  let changed = 0;
  const later = [];
  const frameOfScreen = window.requestAnimationFrame;
  const spent = [];
  for (let number = 1; number <= count; number++) {
    await new Promise((resolve) => frameOfScreen.call(window, () => setTimeout(resolve)));
    const before = shown();
    window.requestAnimationFrame = (callback) => later.push(callback);
    const began = performance.now();
    choice.selectedIndex = number % choice.options.length;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    while (later.length === 0) await Promise.resolve();
    while (later.length > 0) for (const callback of later.splice(0)) callback(performance.now());
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    spent.push(performance.now() - began);
    if (shown() !== before) changed++;
    window.requestAnimationFrame = frameOfScreen;
  }
  if (changed < count / 2) throw new Error(`only ${changed} of ${count} changes were shown`);
  return spent;
}"""

#: Plays for a while; returns how many images a second were turned, each drawn to its end.
BLINK = """async (seconds) => {
  const canvas = document.querySelector(".stage canvas");
  const gl = canvas.getContext("webgl2");
  const pixel = new Uint8Array(4);
  const shown = () => document.querySelector(".readout").textContent.split(" of ")[0];
  const began = performance.now();
  let turned = 0;
  let last = shown();
  while (performance.now() < began + 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    if (shown() !== last) turned++;
    last = shown();
  }
  return turned / ((performance.now() - began) / 1000);
}"""

#: Returns the bytes of all scripts that were loaded, as they were sent.
SCRIPTS = """() => performance.getEntriesByType("resource")
  .filter((each) => new URL(each.name).pathname.endsWith(".js"))
  .reduce((sum, each) => sum + each.encodedBodySize, 0)"""


async def main() -> None:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit(f"no browser on PATH: {', '.join(BROWSERS)} (apt-get install chromium)")
    with (
        tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root,
        tempfile.TemporaryDirectory(prefix="datalab-frames-") as folder,
    ):
        large = write_frames(Path(folder), LARGE_FRAMES, LARGE_SIDE)
        blinked = write_frames(Path(folder), BLINK_FRAMES, BLINK_SIDE, first=LARGE_FRAMES)
        async with running_system(Path(root)) as system, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=OPTIONS)
            figures = await measure(system, browser, large, blinked)
            await browser.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors: others' work counts in what follows")
    for name, figure in figures.items():
        print(f"{name:<16} {figure:>8}")
    report("console", figures)


async def measure(
    system: System, browser: Browser, large: Sequence[Path], blinked: Sequence[Path]
) -> dict[str, object]:
    """Return every figure."""
    async with Datalab(system.api_url, system.admin_token) as admin:
        user = await admin.call("POST", "users/", json={"username": "bench", "superuser": True})
        await ingest(system, [*large, *blinked], token=user["token"])
        names, blinks = ([path.name.removesuffix("-EX00.fits.fz") for path in paths] for paths in (large, blinked))
        await pictures_made(admin, [*names, *blinks])
        context = await browser.new_context(viewport=SCREEN)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(await admin.login_link("bench"))
        await listed(page)
        first_page_s, script_bytes = await first_page(browser, await context.storage_state(), f"{system.api_url}/")
        await page.evaluate(WATCH)
        first_look_s, _ = await page.evaluate(LOOK, f"/image/archive/{names[0]}")
        looks = [await looked_at(page, name) for name in names[1:]]
        tile_ms = await page.evaluate(ASK, [names[-1], [[number % 15, number // 15] for number in range(TILES)]])
        stretch_ms = await stretched(page)
        blink_per_s = await blink(page, f"{system.api_url}/#/blink/images/{','.join(blinks)}")
        await context.close()
    return {
        "visible_cold_s": round(statistics.median(visible for visible, _ in looks), 2),
        "sharp_s": round(statistics.median(sharp for _, sharp in looks), 2),
        "first_look_s": round(first_look_s, 2),
        "tile_p50_ms": round(statistics.median(tile_ms), 1),
        "stretch_ms": round(statistics.median(stretch_ms), 1),
        "blink_per_s": round(blink_per_s, 1),
        "first_page_s": round(first_page_s, 2),
        "script_kb": round(script_bytes / 1000, 1),
    }


async def pictures_made(admin: Datalab, names: Sequence[str]) -> None:
    """Wait until the runner has made the pictures of all frames: that is work that nobody waits for here."""
    missing = set(names)
    while missing:
        found = await admin.call(
            "GET", "frames/", params={"SITEID": SITE, "limit": len(names), "include_thumbnails": True}
        )
        missing -= {frame["basename"] for frame in found["results"] if frame["thumbnails"]}
        await asyncio.sleep(0.5 if missing else 0)


async def listed(page: Page) -> None:
    """Wait until the page links to frames."""
    await page.locator('a[href*="/image/archive/"]').first.wait_for()


async def first_page(browser: Browser, state: Any, url: str) -> tuple[float, int]:
    """Return the seconds until frames are listed in a browser that knows nothing but its user, and bytes of scripts."""
    context = await browser.new_context(viewport=SCREEN, storage_state=state)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    os.sync()
    began = time.perf_counter()
    await page.goto(url, wait_until="commit")
    await listed(page)
    seconds = time.perf_counter() - began
    size: int = await page.evaluate(SCRIPTS)
    await context.close()
    return seconds, size


async def looked_at(page: Page, name: str) -> tuple[float, float]:
    """Return the seconds until a frame is visible, and sharp, coming from the night."""
    await page.evaluate("() => { location.hash = '/' }")
    await listed(page)
    os.sync()
    visible, sharp = await page.evaluate(LOOK, f"/image/archive/{name}")
    return visible, sharp


async def stretched(page: Page) -> list[float]:
    """Return the milliseconds of changes of the stretch. Raises `RuntimeError` if one of them asks for anything."""
    await page.evaluate(SETTLED)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    spent: list[float] = await page.evaluate(STRETCH, STRETCHES)
    if asked:
        raise RuntimeError(f"another stretch asked for {asked[0]}")
    return spent


async def blink(page: Page, address: str) -> float:
    """Return the images turned in a second. Raises `RuntimeError` if that asks for anything."""
    await page.goto(address)
    await page.get_by_text("all are here").wait_for()
    await page.get_by_role("slider", name="Speed").fill("30")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_role("button", name="Play").click()
    turned: float = await page.evaluate(BLINK, BLINK_S)
    if any("/analysis/" in url for url in asked):
        raise RuntimeError(f"blinking asked for {asked[0]}")
    return turned


if __name__ == "__main__":
    asyncio.run(main())
