"""An observation portal in a thread of the test: it knows whose tokens are, and has bad days."""

import contextlib
import json
import threading

from support.json_servers import answering


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
    with answering(Portal, _answer) as portal:
        try:
            yield portal
        finally:
            portal.gate.set()


def _answer(portal, path, headers):
    token = headers.get("Authorization", "").removeprefix("Token ")
    portal.asked.append(token)
    portal.gate.wait(30)
    known = portal.profiles.get(token) if path == "/api/profile/" else None
    body = portal.body or json.dumps(known or {"detail": "Invalid token."}).encode()
    return portal.status or (200 if known else 401), body
