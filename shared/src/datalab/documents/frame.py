"""A frame: one exposure as the archive knows it. Ingest writes these documents, the session API reads them."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import AliasChoices, Field, JsonValue, computed_field, field_serializer, model_validator

from datalab.documents.document import ASCENDING, DESCENDING, ON_SPHERE, Document, Index, StoredDocument
from datalab.documents.frame_header import storable
from datalab.documents.sky import point, polygon
from datalab.events.envelope import UtcDatetime, WireModel
from datalab.events.frames import RemovalCause

COLLECTION = "frames"

HeaderSource = Literal["text", "fits"]

#: The file of a frame that operations compute with: the first of these it has. `fits` is the one file of frames in
#: the naming of LCO; the others are Photon Ranch's, where 01 is reduced and large, 00 raw and large, 10 and 13 small.
SCIENCE_ROLES = ("fits", "fits_01", "fits_00", "fits_10", "fits_13")
#: Which file describes the frame, best first. The text is what the observatory calls the header; a FITS file describes
#: the frame only while there is none. The files' order among themselves is that of the pixels: full size, then raw,
#: then reduced in size.
DESCRIBING_ROLES = ("txt_00", "txt_01", "txt_10", "fits", "fits_01", "fits_00", "fits_10", "fits_13")

#: Roles of a picture to look at, best first, and of a small one: Photon Ranch's names.
PICTURE_ROLES, THUMBNAIL_ROLES = ("jpg_10", "jpg_13"), ("jpg_11",)
#: Roles of the FITS files that image packages tell of: a large and a small one.
LARGE_ROLES, SMALL_ROLES = ("fits_01", "fits_00"), ("fits_10", "fits_13")

#: Every list of frames is by time, newest first; the number settles ties, so that pages never overlap.
NEWEST_FIRST = (("capture_date", DESCENDING), ("frame_id", DESCENDING))
#: What lists are filtered by: equal to a value, or to one of some.
FILTERED_BY = (
    "site",
    "site_id",
    "telescope_id",
    "instrument_id",
    "proposal_id",
    "filter_name",
    "configuration_type",
    "reduction_level",
    "target_name",
    "observation_id",
    "request_id",
    "observation_day",
    "user_id",
    "username",
)
#: What lists are ordered by beside these and the time.
_ORDERED_BY = ("exposure_time_s",)
#: Who finds a frame in lists: those only who may read it; everybody, though no FITS file of it has come yet; everybody.
CLOSED, OPEN, COMPLETE = 0, 1, 2
SKY_INDEX = "sky_2dsphere"
FORMER_INDEX = "with_header"
#: Where a frame says when its previews are looked for: few say it at a time.
PREVIEW_DUE = "preview.due"
#: `release` comes first: nearly every list is of what everybody may read, and the newest frames often are not.
INDEXES = (
    Index(fields=(("frame_id", ASCENDING),), unique=True),
    Index(fields=(("release", ASCENDING), *NEWEST_FIRST)),
    *(
        Index(fields=(("release", ASCENDING), (field, ASCENDING), *NEWEST_FIRST))
        for field in (*FILTERED_BY, *_ORDERED_BY)
    ),
    # Asked for together again and again, while neither alone chooses few frames.
    *(
        Index(fields=(("release", ASCENDING), (first, ASCENDING), (second, ASCENDING), *NEWEST_FIRST))
        for first, second in (
            ("site", "user_id"),
            ("site", "filter_name"),
            ("user_id", "filter_name"),
            ("proposal_id", "site_id"),
        )
    ),
    *(Index(fields=(("release", ASCENDING), (field, ASCENDING))) for field in ("_id", "frame_id", "public_date")),
    Index(fields=(("sky", ON_SPHERE),), name=SKY_INDEX),
    Index(fields=(("header_terms", ASCENDING), *NEWEST_FIRST)),
    Index(fields=((PREVIEW_DUE, ASCENDING),), where={PREVIEW_DUE: {"$type": "date"}}),
    Index(fields=(("related", ASCENDING),)),
    Index(fields=(("md5s", ASCENDING),), where={"md5s": {"$gt": ""}}),
    # None but of frames as they were stored until 2026-11.
    Index(fields=(("frame_id", ASCENDING),), name=FORMER_INDEX, where={"header": {"$exists": True}}),
    Index(
        fields=(("site", ASCENDING), ("stack_id", ASCENDING), ("stack_number", DESCENDING)),
        where={"stack_id": {"$type": "string"}},
    ),
    # Few frames have these.
    Index(fields=(("expires_at", ASCENDING),), where={"expires_at": {"$type": "date"}}),
    Index(fields=(("removal.marked_at", ASCENDING),), where={"removal.marked_at": {"$type": "date"}}),
)

#: Where frames come from that are people's own. Too long for the site in a file name of the Photon Ranch convention.
UPLOADS_SITE = "uploads"
#: Cards that name files an exposure was made with or of, as observatories with OCS write them.
RELATED_KEYWORDS = (
    *(f"L1ID{kind}" for kind in ("BIAS", "DARK", "FLAT", "SHUT", "MASK", "FRNG", "CAT", "ARC", "1D", "2D", "SUM")),
    "TARFILE",
    "ORIGNAME",
    "ARCFILE",
    "FLATFILE",
    "GUIDETAR",
)
#: What image packages show of a header.
SHOWN_KEYWORDS = ("SITEID", "INSTRUME", "DAY-OBS", "ORIGNAME", "SMARTSTK", "SSTKNUM")
#: What a frame keeps of its header, so that lists need none.
KEPT_KEYWORDS = tuple(dict.fromkeys((*SHOWN_KEYWORDS, *RELATED_KEYWORDS)))
#: What ends a file name without being part of the base name.
_FILE_ENDINGS = (".fz", ".bz2", ".gz", ".fits")


class FrameFile(WireModel):
    """One file of a frame, as it is in the object store. `md5` is what an OCS ingester calls it by.

    `made_of` has the checksum of what we made it of ourselves.
    """

    key: str
    size_bytes: int
    sha256: str
    md5: str | None = None
    etag: str
    media_type: str
    stored_at: UtcDatetime
    made_of: str | None = None

    @property
    def modified_at(self) -> datetime:
        """When the object was stored, by the name the object store uses."""
        return self.stored_at


class Observation(WireModel):
    """What the header says about the exposure; every value optional. Angles in degrees, times in UTC."""

    observation_date: UtcDatetime | None = None
    right_ascension_deg: float | None = None
    declination_deg: float | None = None
    altitude_deg: float | None = None
    azimuth_deg: float | None = None
    airmass: float | None = None
    exposure_time_s: float | None = None
    filter_name: str | None = None
    username: str | None = None
    user_id: str | None = None
    target_name: str | None = None
    proposal_id: str | None = None
    observation_id: str | None = None
    request_id: str | None = None
    site_id: str | None = None
    telescope_id: str | None = None
    instrument_id: str | None = None
    observation_day: str | None = None
    reduction_level: int | None = None
    configuration_type: str | None = None
    public_date: UtcDatetime | None = None


class FrameRemoval(WireModel):
    """That a frame is going, and who could read it: from here on nobody can."""

    cause: RemovalCause
    marked_at: UtcDatetime
    correlation_id: str
    public_date: UtcDatetime | None = None
    proposal_id: str | None = None


class PreviewState(WireModel):
    """Pictures that a frame lacks, and that are to be made of one of its files.

    `due` is when ingest asks for them (again), `asked` how often it has; of a file with a `problem` none can be made.
    """

    source_sha256: str
    due: UtcDatetime | None = None
    asked: int = 0
    problem: str | None = None


class FrameDocument(StoredDocument, Observation):
    """The archive's knowledge of one exposure, with what its header says. `revision` grows with every change.

    `former` are files that a later version has replaced, the oldest first.
    `public_dates` has what each file's header says of it, by role: None for a date that cannot be read. `public_date`
    is what follows from all of them. At `expires_at` the frame goes; with a `removal` it is going.
    `header_id` names the header (see `frame_header`), of which `cards` are the `KEPT_KEYWORDS` and `header_terms` what
    it is searched by. `header` is the whole of it in frames as they were stored until 2026-11, which ingest changes one
    by one. `notes` are what of the file was left out or mended, and why.
    """

    basename: str = Field(alias="_id")
    frame_id: int
    site: str
    data_type: str | None = None
    files: dict[str, FrameFile]
    former: tuple[FrameFile, ...] = ()
    header: dict[str, JsonValue] | None = Field(None, exclude=True)
    header_id: str | None = None
    cards: dict[str, JsonValue] = Field(default_factory=dict)
    header_terms: tuple[str, ...] = ()
    header_source: HeaderSource | None = None
    header_role: str | None = None
    #: Frames as they were stored until 2026-11 have them as `problems`.
    notes: tuple[str, ...] = Field((), validation_alias=AliasChoices("notes", "problems"))
    public_dates: dict[str, UtcDatetime | None] = Field(default_factory=dict)
    footprint: tuple[tuple[float, float], ...] | None = None
    preview: PreviewState | None = None
    created: UtcDatetime
    modified: UtcDatetime
    revision: int = 1
    expires_at: UtcDatetime | None = None
    removal: FrameRemoval | None = None

    @property
    def science_file(self) -> FrameFile | None:
        """The file to compute with, None while only others have arrived."""
        return next((self.files[role] for role in SCIENCE_ROLES if role in self.files), None)

    @property
    def every_file(self) -> tuple[FrameFile, ...]:
        """All files of the frame, also the former ones: its objects in the store."""
        return (*self.files.values(), *self.former)

    @model_validator(mode="before")
    @classmethod
    def _with_kept_cards(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the kept cards out of the header of a frame in its former form."""
        header = fields.get("header")
        return fields if header is None else {**fields, "cards": kept_cards(header)}

    @field_serializer("cards")
    def _storable_cards(self, cards: Mapping[str, JsonValue]) -> dict[str, Any]:
        return storable(cards)

    # --- what follows from the rest, stored beside it to be searched by -----------------------------------------

    @computed_field  # type: ignore[prop-decorator]
    @property
    def capture_date(self) -> UtcDatetime:
        """When the exposure was taken; as long as no header says so, when the first of its files came."""
        return self.observation_date or self.created

    @computed_field  # type: ignore[prop-decorator]
    @property
    def release(self) -> int:
        """Who finds the frame in lists. A public date that is still to come is noted by ingest when it has come."""
        if self.public_date is None or self.public_date > self.modified:
            return CLOSED
        return COMPLETE if self.has_science else OPEN

    @computed_field  # type: ignore[prop-decorator]
    @property
    def has_picture(self) -> bool:
        return any(role in self.files for role in PICTURE_ROLES)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def has_science(self) -> bool:
        return self.science_file is not None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sky(self) -> Document | None:
        """What the image covers, as GeoJSON; where its coordinates are not known, where the telescope pointed."""
        covered = polygon(self.footprint) if self.footprint else None
        if covered is not None or self.right_ascension_deg is None or self.declination_deg is None:
            return covered
        return point(self.right_ascension_deg, self.declination_deg)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def md5s(self) -> tuple[str, ...]:
        """What OCS ingesters ask for, before they send a file, to learn whether it is here."""
        return tuple(sorted({file.md5 for file in self.every_file if file.md5}))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stack_id(self) -> str | None:
        """The smart stack the exposure belongs to, unique within its site; None if to none."""
        stack = str(self.cards.get("SMARTSTK") or "").strip()
        return stack if stack.isascii() and stack.isdecimal() else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stack_number(self) -> int | None:
        """Which of the exposures of its smart stack this is, from 0 on."""
        number = str(self.cards.get("SSTKNUM", "")).strip()
        return int(number) if number.isascii() and number.isdecimal() and len(number) <= 9 else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def related(self) -> tuple[str, ...]:
        """The base names of files that the header says the exposure was made with or of."""
        named = (str(self.cards.get(keyword) or "").strip() for keyword in RELATED_KEYWORDS)
        basenames = dict.fromkeys(_without_ending(name) for name in named if name and name.upper() != "N/A")
        return tuple(name for name in basenames if name and name != self.basename)


def kept_cards(header: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what a frame keeps of its header."""
    return {keyword: header[keyword] for keyword in KEPT_KEYWORDS if keyword in header}


def _without_ending(name: str) -> str:
    for ending in _FILE_ENDINGS:
        name = name.removesuffix(ending)
    return name


def own_proposal(username: str) -> str:
    """Return the proposal of a user's own uploads, of which the user alone is a member."""
    return f"~{username}"


def may_read_frame(
    proposals: Several[str] | None, *, public_date: datetime | None, proposal_id: str | None, now: datetime
) -> bool:
    """Tell whether a frame may be shown to a member of `proposals`; None is somebody who may read everything.

    A frame is public from its public date on; until then, and without one, only its proposal's members see it.
    `readable_frames` is the same rule for the document store.
    """
    if proposals is None or (public_date is not None and public_date <= now):
        return True
    return proposal_id is not None and proposal_id in proposals


def readable_frames(proposals: Several[str] | None, *, complete: bool = False) -> Sequence[Document]:
    """Return filters of the frames that `may_read_frame` lets a member of `proposals` read: no frame fits two of them.

    `complete` are those with a file to compute with. A frame whose public date has just passed is among the frames that
    everybody reads as soon as ingest has noted it in `release`.
    """
    with_science: Document = {"has_science": True} if complete else {}
    everybodys: Document = {"release": COMPLETE if complete else {"$in": [OPEN, COMPLETE]}}
    if proposals is None:
        return [everybodys, {"release": CLOSED, **with_science}]
    if not proposals:
        return [everybodys]
    return [everybodys, {"release": CLOSED, "proposal_id": {"$in": sorted(proposals)}, **with_science}]
