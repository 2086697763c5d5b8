"""A Gaia archive in a thread of the test: jobs and answers in the shape the real one gives, and its bad days."""

import base64
import contextlib
import gzip
import http.server
import re
import threading
import urllib.parse

import numpy as np

#: Columns as the archive describes them: datatype and unit.
FIELDS = {
    "source_id": ("long", None),
    "ra": ("double", "deg"),
    "dec": ("double", "deg"),
    "ref_epoch": ("double", "yr"),
    "pmra": ("double", "mas.yr**-1"),
    "pmra_error": ("float", "mas.yr**-1"),
    "pmdec": ("double", "mas.yr**-1"),
    "pmdec_error": ("float", "mas.yr**-1"),
    "parallax": ("double", "mas"),
    "parallax_error": ("float", "mas"),
    "ruwe": ("float", None),
    "phot_g_mean_mag": ("float", "mag"),
    "r_med_geo": ("float", "pc"),
    "r_lo_geo": ("float", "pc"),
    "r_hi_geo": ("float", "pc"),
}
for _band in "griz":
    FIELDS[f"{_band}_sdss_mag"] = ("float", "mag")
    FIELDS[f"{_band}_sdss_flux"] = ("double", "W.m**-2.nm**-1")
    FIELDS[f"{_band}_sdss_flux_error"] = ("double", "W.m**-2.nm**-1")
_DTYPES = {"long": ">i8", "double": ">f8", "float": ">f4"}


def archive_stars(**columns):
    """Return rows of the archive by column name, NaN where nothing is given; source_id counts from a billion."""
    count = len(columns["ra"])
    rows = {name: np.full(count, np.nan) for name in FIELDS}
    rows["source_id"] = 10**9 + np.arange(count)
    rows["ref_epoch"] = np.full(count, 2016.0)
    rows["ruwe"] = np.ones(count)
    rows["phot_g_mean_mag"] = np.linspace(12, 18, count)
    for name, values in columns.items():
        assert name in rows, name
        rows[name] = np.array(values)
    return rows


def votable(rows, *, serialization="BINARY2", status="OK", overflow=False, names=tuple(FIELDS)):
    """Return rows as the archive writes them: NaN is a null, which is a flag (BINARY2) or an empty cell (TABLEDATA)."""
    data = {"BINARY2": _binary2, "TABLEDATA": _tabledata}[serialization]
    fields = "".join(_field(name) for name in names)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.ivoa.net/xml/VOTable/v1.3 http://www.ivoa.net/xml/VOTable/v1.3">\n'
        '<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="{status}"/>\n'
        '<INFO name="CAPTION" value="How to cite and acknowledge Gaia"><![CDATA[If you use them, say so.]]></INFO>\n'
        '<INFO name="PAGE" value=""/>\n'
        f"<TABLE>\n{fields}<DATA>\n{data(rows, names)}</DATA>\n</TABLE>\n"
        + ('<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n' if overflow else "")
        + "</RESOURCE>\n</VOTABLE>\n"
    ).encode()


#: Days on which the archive gives no stars, and what users read of the reason.
BAD_DAYS = {
    "down": "HTTP status 503",
    "refusing": "HTTP status 400",
    "page": "did not accept the query",
    "lost": "HTTP status 404",
    "failing": "ended the query in the phase 'ERROR'",
    "mumbling": "ended the query in the phase '<html>'",
    "result gone": "HTTP status 500",
    "cut": "no complete XML document",
    "closing": "could not be reached",
    "html": "no VOTable",
    "error table": "an error instead of stars",
    "other columns": "without the columns asked for",
    "entities": "entities of its own",
    "nonsense link": "could not be reached",
}


class GaiaServer:
    """`rows` is the catalogue; `day` is what kind of day the archive has.

    Days: "good"; "busy" (a job waits and runs before it is done); "overflow"; "gzip"; and the bad ones in `BAD_DAYS`,
    "slow" (never done), "silent" (never answers) and "endless" (an answer that does not end).
    """

    def __init__(self, rows):
        self.rows = rows
        self.day = "good"
        self.queries = []
        self.requests = []
        self.polls = 0
        self.jobs = {}
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.gaia = self
        self._http.daemon_threads = True
        self.leave = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}/tap-server/tap"

    def serve(self):
        self._http.serve_forever(poll_interval=0.05)

    def stop(self):
        self.leave.set()
        self._http.shutdown()
        self._http.server_close()

    def create(self, form):
        """Start a job, and return its name."""
        self.requests.append(form)
        self.queries.append(form["QUERY"])
        self.polls = 0
        name = f"{1700000000000 + len(self.queries)}O"
        self.jobs[name] = form["QUERY"]
        return name

    def phase(self):
        self.polls += 1
        if self.day == "busy":
            return {1: "QUEUED", 2: "EXECUTING"}.get(self.polls, "COMPLETED")
        return {"slow": "EXECUTING", "failing": "ERROR", "mumbling": "<html>"}.get(self.day, "COMPLETED")

    def answer(self, query):
        nonsense = {
            "html": b"<html><body><p>Down for maintenance<br></body></html>",
            "entities": b'<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "b">]><VOTABLE>&a;</VOTABLE>',
        }
        if self.day in nonsense:
            return nonsense[self.day]
        content = votable(
            selected(self.rows, query),
            status="ERROR" if self.day == "error table" else "OK",
            overflow=self.day == "overflow",
            names=("source_id", "ra", "dec") if self.day == "other columns" else tuple(FIELDS),
        )
        return content[: len(content) * 2 // 3] if self.day == "cut" else content


@contextlib.contextmanager
def running_gaia(rows):
    """Yield a `GaiaServer` that answers at its `url`."""
    server = GaiaServer(rows)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def selected(rows, query):
    """Return what the archive finds, from the numbers in the query."""
    ra, dec, radius = (float(text) for text in re.search(r"CIRCLE\('ICRS', (.*?), (.*?), (.*?)\)", query).groups())
    top = int(re.search(r"SELECT TOP (\d+)", query)[1])
    delta_ra, delta_dec = np.radians(rows["ra"] - ra), np.radians(rows["dec"] - dec)
    haversine = np.sin(delta_dec / 2) ** 2
    haversine += np.cos(np.radians(dec)) * np.cos(np.radians(rows["dec"])) * np.sin(delta_ra / 2) ** 2
    inside = np.flatnonzero(2 * np.degrees(np.arcsin(np.sqrt(haversine))) <= radius)
    brightest = inside[np.argsort(rows["phot_g_mean_mag"][inside], kind="stable")][:top]
    return {name: column[brightest] for name, column in rows.items()}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def gaia(self):
        return self.server.gaia

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.gaia.day == "silent":
            self.gaia.leave.wait()
            return self.abort()
        if self.gaia.day in {"down", "refusing"}:
            return self.reply({"down": 503, "refusing": 400}[self.gaia.day], b"no")
        if self.gaia.day == "page":
            return self.reply(200, b"<html>Welcome to the archive</html>")
        name = self.gaia.create(dict(urllib.parse.parse_qsl(text)))
        link = "http://[" if self.gaia.day == "nonsense link" else f"{self.gaia.url}/async/{name}"
        return self.reply(303, b"", Location=link)

    def do_GET(self):
        _, _, path = self.path.partition("/tap-server/tap/async/")
        name, _, part = path.partition("/")
        if name not in self.gaia.jobs or self.gaia.day == "lost":
            return self.reply(404, b"no such job")
        if part == "phase":
            return self.reply(200, self.gaia.phase().encode(), **{"Content-Type": "text/plain"})
        if part == "results/result":  # the real one sends http links to https
            return self.reply(302, b"", Location=f"{self.gaia.url}/async/{name}/results/file")
        if self.gaia.day == "result gone":
            return self.reply(500, b"no")
        return self.send_result(self.gaia.answer(self.gaia.jobs[name]))

    def do_DELETE(self):
        name = self.path.rpartition("/")[2]
        found = self.gaia.jobs.pop(name, None)
        return self.reply(303 if found else 404, b"", Location=f"{self.gaia.url}/async")

    def send_result(self, content):
        if self.gaia.day == "closing":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            return self.abort()
        if self.gaia.day == "endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not self.gaia.leave.is_set():
                    self.wfile.write(bytes(1024**2))
            return self.abort()
        headers = {"Content-Type": "application/x-votable+xml"}
        if self.gaia.day == "gzip":
            content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
        return self.reply(200, content, **headers)

    def reply(self, status, content, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def abort(self):
        self.close_connection = True

    def log_message(self, *args):
        pass


def _field(name):
    datatype, unit = FIELDS[name]
    units = f' unit="{unit}"' if unit else ""
    return (
        f'<FIELD datatype="{datatype}" name="{name}"{units} ucd="meta.note" utype="Char.Thing">\n'
        f"<DESCRIPTION>{name} of the source</DESCRIPTION>\n</FIELD>\n"
    )


def _binary2(rows, names):
    null = np.stack([np.isnan(rows[name].astype(float)) for name in names], axis=1)
    flags = np.packbits(null, axis=1)
    dtype = [("flags", "u1", flags.shape[1]), *((name, _DTYPES[FIELDS[name][0]]) for name in names)]
    packed = np.zeros(len(flags), dtype=dtype)
    packed["flags"] = flags
    for name in names:
        packed[name] = rows[name]
    text = base64.encodebytes(packed.tobytes()).decode()
    return f"<BINARY2>\n<STREAM encoding='base64'>\n{text}</STREAM>\n</BINARY2>\n"


def _tabledata(rows, names):
    def cell(value):
        return "<TD/>" if value != value else f"<TD>{value}</TD>"  # noqa: PLR0124 - NaN is not itself

    lines = zip(*(rows[name].tolist() for name in names), strict=True)
    return "<TABLEDATA>\n" + "".join(f"<TR>{''.join(map(cell, line))}</TR>\n" for line in lines) + "</TABLEDATA>\n"
