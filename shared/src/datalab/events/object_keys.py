"""The names of objects, by family: what `datalab.events.topology` is for messages.

A family is the first folder of a key, and the prefix to list it by. Keys are stored in documents and events, so a
family keeps its name and its form for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256 as sha256_of

#: Files of frames, stored and announced by observatories.
DATA = "data/"
#: What operations made, each result in a folder of its own, three folders deep.
RESULTS = "results/"
#: Files made for somebody to save, each named by what it was made of.
DOWNLOADS = "downloads/"
#: One that is older is made anew when it is asked for: a link to it must not end soon after it was given.
DOWNLOAD_IS_FRESH = timedelta(days=1)
#: Among them: archives of several files, and lists of what goes into them.
ZIPS = f"{DOWNLOADS}zips/"
#: Pictures of frames that nobody sent, made of the files that came.
PREVIEWS = "previews/"
#: Copies of what the Gaia archive answered.
GAIA = "gaia/"
#: What observatories store beside frames: pictures of their instruments, of the whole sky, and trials.
INFO_IMAGES, ALLSKY, TRIALS = "info-images/", "allsky/", "test/"
#: Files of frames that were replaced, as they were.
VERSIONS = "versions/"
#: People's own files, and the parts of files that are still coming.
PEOPLE, INCOMING = "people/", "incoming/"
#: Files that an OCS ingester stored through the API, each in a folder of its own: another version is another object.
RECORDED = "recorded/"

FAMILIES: tuple[str, ...] = (
    DATA,
    INFO_IMAGES,
    ALLSKY,
    TRIALS,
    PEOPLE,
    INCOMING,
    RECORDED,
    VERSIONS,
    PREVIEWS,
    DOWNLOADS,
    RESULTS,
    GAIA,
)

#: In the folder of a result: what makes it one, and since when it has been none because nobody refers to it.
MANIFEST, EXPIRY_MARK = "manifest.json", "expiring"


def split_key(key: str) -> tuple[str | None, str]:
    """Return the family a key belongs to, None if to none, and what follows its first folder."""
    folder, slash, rest = key.partition("/")
    return (folder + slash if folder + slash in FAMILIES else None), rest


def data_key(file_name: str) -> str:
    return f"{DATA}{file_name}"


def personal_key(*, owner: str, upload_id: str, name: str) -> str:
    """Return where a user's own file is stored: no two uploads share a key."""
    return f"{PEOPLE}{owner}/{upload_id}/{name}"


def recorded_key(version: str, file_name: str) -> str:
    """Return where a file is stored that an OCS ingester sent; `version` is what we called it, for ever."""
    return f"{RECORDED}{version}/{file_name}"


def part_key(upload_id: str, number: int) -> str:
    """Return where a part of a file is stored until all have come."""
    return f"{INCOMING}{upload_id}/{number:05}"


def version_key(key: str, *, stored_at: datetime, etag: str) -> str:
    """Return where a file is kept that is about to be replaced: the same bytes have the same place."""
    digest = sha256_of(f"{stored_at.astimezone(UTC).isoformat(timespec='seconds')}\n{etag}".encode()).hexdigest()
    return f"{VERSIONS}{key}/{stored_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest[:16]}"


def result_file_key(result_key: str, name: str) -> str:
    """Return where a file of a result is stored.

    Results are spread by the first three digits of their key, a hash, over folders of 16: servers that keep objects in
    a file system read a folder anew when something in it may have changed, every entry of it. One folder of 30,000
    takes 25 ms each time, and with 100,000 results 256 folders of 390 take 8 ms (rclone 1.75).
    """
    return f"{RESULTS}{'/'.join(result_key[:3])}/{result_key}/{name}"


def manifest_key(result_key: str) -> str:
    """Return where the manifest is stored, without which a result does not exist."""
    return result_file_key(result_key, MANIFEST)


def rendering_key(
    *, sha256: str, action: str, version: int, extension: str, parameters: Mapping[str, object] | None = None
) -> str:
    """Return where a rendering is stored: named by the content, how it is rendered, and nothing of the client's.

    So whoever may read the file it is made of may read the rendering.
    """
    how = ""
    if parameters:
        how = "-" + sha256_of(json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"{DOWNLOADS}{sha256}-{action}-v{version}{how}{extension}"


def zip_keys(members: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return where an archive of files is stored, and where the list of what goes into it.

    Named by its members, each a name in the archive and the SHA-256 of its content: the same archive has one place.
    """
    text = "".join(f"{sha256} {name}\n" for name, sha256 in sorted(members))
    digest = sha256_of(text.encode()).hexdigest()
    return f"{ZIPS}{digest}.zip", f"{ZIPS}{digest}.json"


def preview_key(*, source_sha256: str, name: str) -> str:
    """Return where a picture is stored that was made of a file, in a folder of what that file holds.

    So nothing an observatory sends is ever in its place, a picture of what was replaced is never taken for the new one,
    and two who make the same store the same. Of its folders no name has a `-`: a user interface of Photon Ranch counts
    them to find the date in a link.
    """
    return f"{PREVIEWS}{source_sha256[:2]}/{source_sha256[2:18]}/{name}"


def gaia_key(*, kind: str, circle: str) -> str:
    """Return where the stars of a circle are kept, as the answer to one `kind` of question."""
    return f"{GAIA}dr3-{kind}/{circle}.vot"
