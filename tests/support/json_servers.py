"""HTTP servers of others, in a thread of the test: they answer GET with JSON, and show by what they are."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def answering(kind, answer):
    """Yield `kind(address)`, served there: `answer(it, path, headers)` returns the status and body of each reply."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answer(self.server.shown, self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.shown = kind(server.server_address)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.shown
        finally:
            server.shutdown()
            thread.join()
