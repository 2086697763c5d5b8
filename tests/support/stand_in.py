"""Small programs in the place of our services."""

import sys

import psutil

from datalab.local.ports import free_port
from datalab.local.services import ServiceSpec

ANSWER_HEALTH = """
import http.server, os

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["DATALAB_HTTP_PORT"])), Health).serve_forever()
"""

IGNORE_SIGTERM = """
import signal
signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM, so what", flush=True))
"""


def stand_in(name="stand-in", before="", *, any_port=False, **env):
    """Return a service that runs `before`, then answers every GET with 200."""
    port = free_port()
    return ServiceSpec(
        name=name,
        argv=(sys.executable, "-I", "-S", "-c", before + ANSWER_HEALTH),
        env={"DATALAB_HTTP_PORT": str(port), **env},
        readiness_url=f"http://127.0.0.1:{port}/readyz",
        any_port=any_port,
    )


def alive(pid):
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
