"""Clients of PIPE queues: the script that checks the service, an observatory, and machines that take items and die."""

import json

import requests


class PipeScript:
    """The published script that tests the service: eleven checks, each with what it calls and looks at.

    Facts from its source; written anew. It posts JSON, adds no slash, and takes an answer for good only if it is not
    empty.
    """

    def __init__(self, base_url, test_id):
        self._base = f"{base_url}/pipe"
        self._queue, self._machine = f"test-queue-{test_id}", f"test-pipe-{test_id}"

    def checks(self):
        """Yield the name of each check and whether it passes, in their order."""
        for check in (
            self._create_queue,
            self._list_queues,
            self._enqueue,
            self._peek,
            self._dequeue,
            self._is_empty,
            self._set_status,
            self._get_status,
            self._get_statuses,
            self._delete_status,
            self._delete_queue,
        ):
            yield check.__name__.strip("_"), bool(check())

    def _call(self, method, path, expected=200, **options):
        reply = requests.request(method, f"{self._base}/{path}", timeout=30, **options)
        if reply.status_code != expected:
            return None
        try:
            return reply.json()
        except ValueError:
            return reply.text

    def _create_queue(self):
        return self._call("POST", "queue", json={"queue_name": self._queue})

    def _list_queues(self):
        return self._queue in (self._call("GET", "queues") or ())

    def _enqueue(self):
        payload = {"image_path": "s3://bucket/test-image.fits", "process_type": "test"}
        return self._call(
            "POST", "enqueue", json={"queue_name": self._queue, "payload": payload, "sender": "test-script"}
        )

    def _peek(self):
        return self._call("GET", f"queue/{self._queue}", params={"limit": 5})

    def _dequeue(self):
        return self._call("POST", f"queue/{self._queue}/dequeue", json=None)

    def _is_empty(self):
        return requests.post(f"{self._base}/queue/{self._queue}/dequeue", timeout=30).status_code == 404

    def _set_status(self):
        details = {"cpu_usage": "25%", "memory_usage": "1.2GB", "test_id": 1}
        return self._call("POST", "status", json={"pipe_id": self._machine, "status": "online", "details": details})

    def _get_status(self):
        return (self._call("GET", f"status/{self._machine}") or {}).get("status") == "online"

    def _get_statuses(self):
        return any(status.get("pipe_id") == self._machine for status in self._call("GET", "statuses") or ())

    def _delete_status(self):
        return self._call("DELETE", f"status/{self._machine}")

    def _delete_queue(self):
        return self._call("DELETE", f"queue/{self._queue}")


class PipeSender:
    """What an observatory does with a file that lists what PIPE machines are to process.

    Success is the text `200` in what the answer looks like; anything else goes back into its own queue.
    """

    def __init__(self, server, site):
        self._url, self._site = f"{server}/api/pipe/enqueue", site

    def send(self, names):
        """Return whether it is done with."""
        body = {
            "queue_name": self._site,
            "payload": {"request": "EVA_process_files", "request_content": names},
            "sender": self._site,
        }
        reply = requests.post(self._url, json=body, timeout=20)
        return "200" in repr(reply)


class JobTaker:
    """An observatory's computer that asks for jobs and says how far they are; it names no content type."""

    def __init__(self, server, site):
        self._url, self._site = f"{server}/jobs", site

    def new_jobs(self, **more):
        """Return the jobs it would do, sorted as it sorts them."""
        found = self._post("getnewjobs", {"site": self._site, **more}).json()
        return sorted(found, key=lambda job: job["timestamp_ms"])

    def say(self, ulid, status, seconds=-1):
        body = {"site": self._site, "ulid": ulid, "secondsUntilComplete": seconds, "newStatus": status}
        return self._post("updatejobstatus", body)

    def _post(self, path, body):
        return requests.request("POST", f"{self._url}/{path}", data=json.dumps(body), timeout=30)
