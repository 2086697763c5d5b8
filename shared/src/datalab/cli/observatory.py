"""`datalab observatory`: what an observatory does, without one."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from datalab.cli.arguments import demand_site_code

app = typer.Typer(help="A simulated observatory, for trying a system out.", no_args_is_help=True)


class Via(StrEnum):
    """How files come to the archive."""

    HTTP = "http"
    NATS = "nats"


@app.callback()
def observatory() -> None:
    """A simulated observatory, for trying a system out."""


@app.command()
def simulate(
    *,
    site: Annotated[str, typer.Option(metavar="CODE", help="site that observes, 3 to 6 letters and digits")],
    night: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="evening of the night; today's if not given")
    ] = None,
    exposures: Annotated[int, typer.Option(min=1, max=100_000, help="science exposures")] = 20,
    filters: Annotated[str, typer.Option(metavar="F,F", help="filters, in turn")] = "rp",
    exposure_s: Annotated[float, typer.Option("--exposure", min=0.001, help="exposure time in s")] = 60.0,
    stack: Annotated[int, typer.Option(min=1, help="exposures of a filter to a smart stack; 1 is none")] = 1,
    calibrations: Annotated[int, typer.Option(min=0, help="biases, darks, and flats of each filter, at dusk")] = 0,
    info_every: Annotated[
        int, typer.Option(min=0, help="picture of each so manyth exposure is an info image, too; 0 is none")
    ] = 0,
    first_number: Annotated[int, typer.Option(min=1, max=90_000_000, help="running number of the first frame")] = 1,
    pixels: Annotated[int, typer.Option(min=64, max=8192, help="rows and columns of the camera")] = 1024,
    proposal: Annotated[str, typer.Option(help="proposal in the headers")] = "SIM2026A-001",
    seed: Annotated[int, typer.Option(min=0, help="the same seed is the same night, bit for bit")] = 0,
    speed: Annotated[
        float, typer.Option(min=0, help="times faster than the night itself; 0 is as fast as it goes")
    ] = 0.0,
    via: Annotated[
        Via, typer.Option(help="over HTTP alone, or into the object store with an announcement on the bus")
    ] = Via.HTTP,
    timeout: Annotated[float, typer.Option(min=0, help="longest wait for the archive's word on a file, in s")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="print each word as JSON, one on a line")] = False,
) -> None:
    """Play a night at a site against any system, and tell what became of each file.

    Over HTTP a token (`DATALAB_TOKEN`) is needed where the operator has not opened the site; over NATS the variables
    that `datalab sites add` prints.
    """
    demand_site_code(site)
    from datalab.cli.fates import shown_in  # noqa: PLC0415 - loaded when called
    from datalab.cli.work.simulated_night import Night, play_night  # noqa: PLC0415

    play_night(
        Night(
            site=site,
            evening=(night or datetime.now(UTC)).date(),
            exposures=exposures,
            filters=tuple(name.strip() for name in filters.split(",")),
            exposure_s=exposure_s,
            stack=stack,
            calibrations=calibrations,
            info_every=info_every,
            first_number=first_number,
            pixels=pixels,
            proposal=proposal,
            seed=seed,
            speed=speed,
        ),
        over_nats=via is Via.NATS,
        timeout_s=timeout,
        show=shown_in(as_json=as_json),
    )
