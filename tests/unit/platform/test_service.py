"""A start that fails says why in one line, if we know why; a bug keeps its traceback."""

import pytest

from datalab.platform.service import _with_short_reasons

TRACEBACK = "Traceback (most recent call last):\n  File ...\n"


async def said(text):
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "lifespan.startup.failed", "message": TRACEBACK + text})

    async def send(message):
        sent.append(message["message"])

    await _with_short_reasons(app, packages=("datalab", "operation_runner"))({"type": "lifespan"}, None, send)
    return sent


@pytest.mark.parametrize("kind", ["datalab.errors.TransientError", "operation_runner.offers.registry.RegistryError"])
async def test_an_error_of_ours_is_its_text(kind):
    assert await said(f"{kind}: my_operations.bad cannot be imported: no module x\n") == [
        "my_operations.bad cannot be imported: no module x"
    ]


@pytest.mark.parametrize("last", ["TypeError: datalab.x", "nats.errors.Error: nats: timeout", "datalab"])
async def test_anything_else_keeps_its_traceback(last):
    assert await said(last) == [TRACEBACK + last]
