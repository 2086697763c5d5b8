"""HR Diagram: the colour-magnitude diagram of a star cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema

from datalab.astro.catalogues.agreement import Agreement
from datalab.astro.catalogues.band_checks import Band, BandError, check_colours, check_order, check_with_gaia
from datalab.astro.catalogues.cluster import Membership, Windows, cluster_membership
from datalab.astro.catalogues.colour_magnitude import (
    Counterparts,
    MeasuredStars,
    agreement_of_bands,
    colour_magnitude_table,
    colour_stars,
    counterparts,
    footprint_contains,
    measured_stars,
)
from datalab.astro.catalogues.columns import CatalogueError, has_numbers
from datalab.astro.catalogues.transformed import with_sky_positions
from datalab.astro.headers.detector import Detector
from datalab.astro.headers.likeness import Trait
from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.gaia import mean_epoch_yr, positions_at
from datalab.astro.sky.wcs import celestial_wcs, footprint
from operation_runner.recipes.likeness import likeness_notes
from operation_runner.sdk import (
    DataProduct,
    FitsFile,
    Image,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    Refusals,
    SkyPosition,
    SkyRegion,
    TransientError,
    UsageError,
    WizardKeys,
)

if TYPE_CHECKING:
    from astropy.table import Table

_MOST_RADIUS_ARCMIN = 90.0
#: Also what an empty field and 0 mean.
_USUAL_RADIUS_ARCMIN = 15.0
_MOST_IMAGE_STARS = 5000
_MOST_GAIA_ONLY_STARS = 5000
#: Renormalised unit weight error: above it, Gaia's solution for a single star does not fit (Lindegren 2018,
#: GAIA-C3-TN-LU-LL-124).
_MOST_RUWE = 1.4
#: Stars move: one that is in the circle now may have been this far outside at the epoch of Gaia (1"/yr for 15 years).
_MARGIN_DEG = 15.0 / 3600.0
#: The filters that users can choose, and the Sloan band each stands for.
_SLOAN_BANDS = {"gp": "g", "rp": "r", "ip": "i", "zs": "z"}
_DECIMALS = {"ra": 6, "dec": 6, "distance": 1, "distance_lo": 1, "distance_hi": 1}
#: What tells the stars of a cluster from others, as Gaia calls it.
_KINEMATICS = ("pmra", "pmra_error", "pmdec", "pmdec_error", "parallax", "parallax_error", "distance")
#: In what images of two filters must be alike, or may not be: they may differ in anything else.
_COMPARED = {Trait.KIND, Trait.DUPLICATE}
#: Where fewer of the stars are found than this part of those that should be, users are told.
_NOTED_SHARE = 0.5
_MEMBERSHIP_DECIMALS = {
    **dict.fromkeys(("pmra", "pmdec", "pm_radius"), 3),
    **dict.fromkeys(("parallax_min", "parallax_max"), 4),
    **dict.fromkeys(("distance_min", "distance_max"), 1),
}


#: What a radius may be given as; what is no number, or 0, means the usual one.
_RADIUS_SCHEMA = {
    "title": "Search Radius (arcmin)",
    "description": "How far from its center the cluster reaches, in arcminutes",
    "type": ["number", "null", "string"],
    "minimum": 0,
    "maximum": _MOST_RADIUS_ARCMIN,
    "pattern": r"^\s*([0-9]+\.?[0-9]*|\.[0-9]+)?\s*$",
    "default": _USUAL_RADIUS_ARCMIN,
}


def _radius_or_usual(given: object) -> object:
    """Return the usual radius for what forms send when nobody filled them in: null, a blank text, 0."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return _USUAL_RADIUS_ARCMIN
    try:
        return float(given) or _USUAL_RADIUS_ARCMIN if isinstance(given, str | int | float) else given
    except ValueError:
        return given


class HRDiagram(Operation):
    """Magnitudes are those of the images' own catalogues.

    Members are told by a mixture of cluster and field in motion, parallax and place, each with its error: every star
    has its probability. Images whose filters, magnitudes or positions can make no colours are refused.
    """

    name = "HR Diagram"
    description = (
        "The HR Diagram operation plots brightness against colour for the stars of a cluster, measured in two images "
        "taken in different filters. Motions, parallaxes and distances from Gaia help to tell the stars of the cluster "
        "from those in front of it and behind it."
    )
    version = 2
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        blue_filter_files: Annotated[
            list[FitsFile],
            Field(title="Blue Band Image", description="The image in the bluer filter", min_length=1, max_length=1),
            WizardKeys({"single_filter": True, "filter_options": ["gp"]}),
        ]
        red_filter_files: Annotated[
            list[FitsFile],
            Field(title="Red Band Image", description="The image in the redder filter", min_length=1, max_length=1),
            WizardKeys({"single_filter": True, "filter_options": ["rp", "ip", "zs"]}),
        ]
        cluster: Annotated[
            SkyPosition,
            Field(title="Cluster Center", description="The middle of the cluster"),
            Refusals({"*": "Operation HR Diagram requires a cluster center with ra and dec."}),
        ]
        search_radius_arcmin: Annotated[
            float,
            Field(
                title="Search Radius (arcmin)",
                description="How far from its center the cluster reaches, in arcminutes",
                ge=0,
                le=_MOST_RADIUS_ARCMIN,
                allow_inf_nan=False,
            ),
            BeforeValidator(_radius_or_usual, json_schema_input_type=float),
            WithJsonSchema(_RADIUS_SCHEMA),
            Refusals(
                {
                    "minimum": "The search radius must be greater than zero arcminutes.",
                    "maximum": f"The search radius must be at most {_MOST_RADIUS_ARCMIN:g} arcminutes.",
                    "*": "The search radius must be a number of arcminutes.",
                }
            ),
        ] = _USUAL_RADIUS_ARCMIN

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        blue, red = inputs.image(parameters.blue_filter_files[0]), inputs.image(parameters.red_filter_files[0])
        cluster, radius_arcmin = parameters.cluster, parameters.search_radius_arcmin

        blue_band, red_band = _band(blue), _band(red)
        if parameters.blue_filter_files == parameters.red_filter_files:
            raise UsageError(f"{blue.basename} is given as both images: a colour needs two.")
        notes = likeness_notes(
            [blue, red], refused={Trait.KIND}, ignored=set(Trait) - _COMPARED, refusal="No colours can be measured"
        )
        with _refused():
            notes += check_order(blue_band, red_band)
        blue_stars = _calibrated_stars(blue)
        progress(0.2, "Finished cataloging blue image stars")
        red_stars = _calibrated_stars(red)
        progress(0.4, "Finished cataloging red image stars")

        if not (_may_show(blue, cluster) or _may_show(red, cluster)):
            raise UsageError(
                "The cluster center is outside both image footprints. Choose images that show it, or another center."
            )
        stars = colour_stars(blue_stars, red_stars)
        progress(0.5, "Finished crossmatching blue/red image stars")
        notes += _notes_of_bands(agreement_of_bands(blue_stars, red_stars, stars), blue, red)
        with _refused():
            check_colours(stars, blue_band, red_band)
        found = stars.within(cluster.ra, cluster.dec, radius_arcmin=radius_arcmin)
        if not len(found):
            raise UsageError(
                f"No matched stars within {radius_arcmin:g} arcminutes of the cluster center. Choose a larger radius."
            )
        shown = found.brightest(_MOST_IMAGE_STARS)

        gaia = _gaia_stars(inputs, cluster, radius_arcmin, (blue, red))
        progress(0.8, "Finished querying Gaia catalog for field stars")
        in_gaia = counterparts(shown, gaia)
        with _refused():
            notes += check_with_gaia(shown, gaia, in_gaia, blue_band, red_band)
        notes += _notes_of_gaia(in_gaia, gaia)
        membership = _membership(gaia, cluster, radius_arcmin)
        gaia["probability"] = np.nan if membership is None else membership.probabilities
        diagram = colour_magnitude_table(
            shown,
            gaia,
            in_gaia,
            blue_band=blue_band.sloan,
            red_band=red_band.sloan,
            most_gaia_only=_MOST_GAIA_ONLY_STARS,
        )
        diagram["member"] = membership is not None and diagram["probability"].data >= membership.threshold
        progress(0.95, "Finished matching Gaia and Image stars")

        position = {"name": cluster.name, "ra": cluster.ra, "dec": cluster.dec}
        yield DataProduct(
            content={
                "cluster": position | {"radius_arcmin": radius_arcmin},
                "source": position,
                "blue_filter": blue.description.filter_name,
                "red_filter": red.description.filter_name,
                "mag_band": red.description.filter_name,
                "cmd": _rows(diagram),
                "membership_guess": None if membership is None else _rounded(membership.windows),
                "member_threshold": None if membership is None else round(membership.threshold, 4),
                "expected_purity": None if membership is None else round(membership.expected_purity, 3),
                "n_blue_stars": len(blue_stars),
                "n_red_stars": len(red_stars),
                "n_stars": len(shown),
                "n_stars_matched": len(found),
                "n_gaia_matched": int(np.count_nonzero(diagram["gaia_match"] & ~diagram["gaia_only"])),
                "n_gaia_only": int(np.count_nonzero(diagram["gaia_only"])),
                "n_members": int(np.count_nonzero(diagram["member"])),
                "notes": notes,
            }
        )
        progress(1.0, "Finished operation")


@contextmanager
def _refused() -> Iterator[None]:
    """Tell users what makes their images impossible."""
    try:
        yield
    except BandError as error:
        raise UsageError(str(error)) from error


def _band(image: Image) -> Band:
    filter_name = image.description.filter_name
    return Band(image=image.basename, filter_name=filter_name, sloan=_SLOAN_BANDS.get(filter_name or ""))


def _calibrated_stars(image: Image) -> MeasuredStars:
    catalogue = image.catalogue()
    if catalogue is None or not has_numbers(catalogue, ("mag", "magerr")):
        raise UsageError(
            f"The catalog of {image.basename} has no zero-point calibrated magnitudes (columns mag and magerr)."
        )
    if not has_numbers(catalogue, ("ra", "dec")):
        wcs = celestial_wcs(image.header, image.shape)
        if wcs is None:
            raise UsageError(
                f"The catalog of {image.basename} has no columns ra and dec, and its header no WCS to compute them."
            )
        try:
            catalogue = with_sky_positions(catalogue, wcs)
        except CatalogueError as error:
            raise UsageError(f"The stars of {image.basename} cannot be placed on the sky: {error}.") from error
    stars = measured_stars(catalogue, saturation=Detector.of(image.header).saturation_adu)
    if not len(stars):
        raise UsageError(f"No calibrated sources found in the catalog of {image.basename}.")
    return stars


def _may_show(image: Image, position: SkyPosition) -> bool:
    """Tell whether a position is in an image; in one without a WCS it may be."""
    corners = footprint(image.header, image.shape)
    return corners is None or footprint_contains(corners, ra_deg=position.ra, dec_deg=position.dec)


def _gaia_stars(inputs: Inputs, cluster: SkyPosition, radius_arcmin: float, images: tuple[Image, Image]) -> Table:
    """Return the stars that are in the circle at the time of the images, with Gaia's good solutions only."""
    region = SkyRegion(ra_deg=cluster.ra % 360, dec_deg=cluster.dec, radius_deg=radius_arcmin / 60 + _MARGIN_DEG)
    try:
        stars = inputs.stars(region)
    except TransientError as error:
        raise TransientError(f"Could not fetch Gaia data for the cluster field: {error.message}") from error
    stars = stars[stars["ruwe"] < _MOST_RUWE]
    epoch_yr = mean_epoch_yr([image.description.capture_time for image in images])
    if epoch_yr is not None:
        stars["ra"], stars["dec"] = positions_at(stars, epoch_yr)
    inside = separations_arcsec(stars["ra"], stars["dec"], cluster.ra, cluster.dec) <= radius_arcmin * 60
    return stars[inside]


def _notes_of_bands(agreement: Agreement, blue: Image, red: Image) -> list[str]:
    """Return what is to be said of how many stars are in both images. Raises `UsageError` if it cannot be right."""
    counted = f"{agreement.pairs} of {agreement.expected} stars were found in both {blue.basename} and {red.basename}"
    if agreement.shift is not None:
        raise UsageError(
            f"The positions in {blue.basename} and {red.basename} disagree by {agreement.shift.arcsec:.1f} arcsec, so "
            f"that only {counted}. Run Plate Solving on both images first."
        )
    if not agreement.pairs:
        raise UsageError("No stars matched between the two bands. Choose images of the same field.")
    if agreement.is_chance:
        raise UsageError(
            f"Only {counted}, no more than by chance. Choose images of the same field, or run Plate Solving on both "
            "first."
        )
    return [f"Only {counted}."] if agreement.share < _NOTED_SHARE else []


def _membership(gaia: Table, cluster: SkyPosition, radius_arcmin: float) -> Membership | None:
    north = (gaia["dec"].data - cluster.dec) * 60.0 / radius_arcmin
    degrees_east = (gaia["ra"].data - cluster.ra + 180.0) % 360.0 - 180.0
    east = degrees_east * np.cos(np.radians(gaia["dec"].data)) * 60.0 / radius_arcmin
    return cluster_membership(
        **{name: gaia[name].data for name in _KINEMATICS}, offsets=np.stack([east, north], axis=1)
    )


def _notes_of_gaia(found: Counterparts, gaia: Table) -> list[str]:
    notes = []
    if gaia.meta["truncated"]:
        notes.append("The field has more Gaia stars than can be fetched: the faintest are missing.")
    shift, agreement = found.agreement.shift, found.agreement
    if shift is not None:
        notes.append(
            f"The positions of the images are {shift.arcsec:.1f} arcsec off those of Gaia: its stars were looked for "
            "that far away. Plate Solving would mend it."
        )
    elif agreement.share < _NOTED_SHARE and len(gaia):
        notes.append(f"Only {agreement.pairs} of {agreement.expected} stars of the images were found in Gaia.")
    return notes


def _rows(diagram: Table) -> list[dict[str, Any]]:
    columns = [
        column.data if column.dtype == bool else np.round(column.data, _DECIMALS.get(column.name, 4))
        for column in diagram.itercols()
    ]
    return [
        dict(zip(diagram.colnames, row, strict=True))
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _rounded(windows: Windows) -> dict[str, float | None]:
    return {
        name: value if value is None else round(value, _MEMBERSHIP_DECIMALS[name])
        for name, value in asdict(windows).items()
    }
