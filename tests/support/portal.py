"""An observation portal in a thread of the test: it knows whose tokens are, and has bad days."""

import contextlib
import http.server
import json
import threading


class Portal:
    """`profiles` by token; `asked` are the tokens it was asked for; `status` instead of an answer, if set."""

    def __init__(self, address):
        self.url = f"http://127.0.0.1:{address[1]}/api/"
        self.profiles = {}
        self.asked = []
        self.status = None
        self.body = None
        self.gate = threading.Event()
        self.gate.set()

    def add(self, token, username, **more):
        proposals = [{"id": each, "title": f"About {each}", "current": True} for each in more.pop("proposals", ())]
        self.profiles[token] = {
            "username": username,
            "first_name": "",
            "last_name": "",
            "email": f"{username}@example.org",
            "profile": {"staff_view": False, "title": None},
            "is_staff": False,
            "is_superuser": False,
            "proposals": proposals,
            "available_instrument_types": [],
            "tokens": {"archive": "", "api_token": token},
            "proposal_notifications": [],
            **more,
        }
        return self.profiles[token]


@contextlib.contextmanager
def running_portal():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            portal = self.server.portal
            token = self.headers.get("Authorization", "").removeprefix("Token ")
            portal.asked.append(token)
            portal.gate.wait(30)
            known = portal.profiles.get(token) if self.path == "/api/profile/" else None
            status = portal.status or (200 if known else 401)
            body = portal.body or json.dumps(known or {"detail": "Invalid token."}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.portal = Portal(server.server_address)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.portal
        finally:
            server.portal.gate.set()
            server.shutdown()
            thread.join()
