"""RemoteHQ on one's own machine: rooms and browsers in the shapes the real one gives, and its bad days."""

import contextlib
import http.server
import json
import threading

TOKEN = "the-token-of-remotehq"

#: Days on which it gives no room.
BAD_DAYS = ("down", "refusing", "html", "list", "no room", "odd slug", "huge", "silent", "redirecting", "no app")


class RemoteHqServer:
    """`day` is what kind of day it has: "good", or one of `BAD_DAYS`. `asked` are the requests, in order."""

    def __init__(self):
        self.day = "good"
        self.asked = []
        self.tokens = set()
        self.rooms = {}
        self.leave = threading.Event()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.remotehq = self
        self._http.daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def opened(self):
        """How many rooms were asked for."""
        return sum(asked[:2] == ("POST", "/v1/rooms") for asked in self.asked)

    def serve(self):
        self._http.serve_forever(poll_interval=0.05)

    def stop(self):
        self.leave.set()
        self._http.shutdown()
        self._http.server_close()

    def room(self, name):
        number = self.opened
        room = {"id": f"room-{number}", "slug": f"{name}-{number}", "url": f"https://rooms.example/{name}-{number}"}
        if self.day == "odd slug":
            room["slug"] = "../../users"
        self.rooms[room["slug"]] = room
        return room


@contextlib.contextmanager
def running_remotehq():
    """Yield a `RemoteHqServer` that answers at its `url`."""
    server = RemoteHqServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def remotehq(self):
        return self.server.remotehq

    def do_DELETE(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size)) if size else None
        server = self.remotehq
        server.asked.append((self.command, self.path, body))
        server.tokens.add(self.headers.get("Authorization"))
        match server.day:
            case "silent":
                server.leave.wait()
                self.close_connection = True
            case "redirecting":
                self.reply(307, {}, Location="http://127.0.0.1:9/elsewhere")
            case "down":
                self.reply(503, {"error": "no"})
            case "refusing":
                self.reply(401, {"error": "no"})
            case _:
                self.serve(self.path.removeprefix("/v1").split("/")[1:], body)

    def serve(self, path, body):
        rooms = self.remotehq.rooms
        match self.command, path:
            case "POST", ["cb"]:
                data = {"instanceURN": "urn:rhq:cb:1", "embedURL": "https://browsers.example/1"}
                self.reply(200, {"data": data, "error": None})
            case "POST", ["rooms"]:
                self.room(body)
            case "PUT", ["rooms", slug, "room-app-config"] if slug in rooms and self.remotehq.day != "no app":
                self.reply(200, {"data": body})
            case "DELETE", ["rooms", slug]:
                self.reply(404 if rooms.pop(slug, None) is None else 204, None)
            case _:
                self.reply(404, {"error": "no such thing"})

    def room(self, body):
        content = {
            "html": "<html>Welcome</html>",
            "list": [1, 2],
            "no room": {"data": {"id": "1"}},
            "huge": {"data": "x" * 1024**2},
        }.get(self.remotehq.day)
        self.reply(201, content or {"data": self.remotehq.room(body["name"])})

    def reply(self, status, content, **headers):
        text = b"" if content is None else (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # who has heard enough has left
            self.wfile.write(text)

    def log_message(self, *args):
        pass
