"""What an operation is asked with: the fields make the wizard users see and the schema requests are checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticUndefined

from datalab.events.operations import InputSource

#: Of a colour image: one of its planes, or the mean of all; see `datalab.fits.science`.
ColourPlane = Literal["red", "green", "blue", "luminance"]
_PLANES: Final = (None, *get_args(ColourPlane))


def without_no_plane(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a model, but for a plane that was not chosen."""
    return {name: value for name, value in fields.items() if name != "plane" or value is not None}


class FitsFile(BaseModel):
    """A FITS file the user chose as input, and which plane of it if it is a colour image: green, unless it is said."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: InputSource
    basename: str = Field(min_length=1, max_length=256)
    plane: ColourPlane | None = None

    @model_serializer(mode="wrap")
    def _without_no_plane(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields; no plane is left out: parameters are part of a result's identity."""
        return without_no_plane(handler(self))


class SkyPosition(BaseModel):
    """A place on the sky the user chose, ICRS degrees; the wizard offers to look it up by name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str | None = Field(None, max_length=256)
    ra: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
    dec: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class WizardKeys:
    """Further keys of a field's wizard input, as in `Annotated[..., WizardKeys({"single_filter": True})]`.

    They say how the form looks; requests are not checked against them. The key "type" replaces the word derived from
    the field's Python type. `shown_when` is for forms that change: `{"combine": ["sigma-clipped"]}` shows the field
    only while the select `combine` has one of these values; hidden it is not sent, and has its default.
    `holds` says what a text is that forms have more help for: "target_positions", which clicks on images give.
    """

    keys: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Marks a field that requests may carry although no form shows it."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What users read when a field breaks its schema, by the keyword of JSON schema that is not satisfied.

    As in `Refusals({"required": "Operation Light Curve requires a source.", "*": "..."})`; "*" is for all others.
    Without it they read a sentence made from the schema.
    """

    texts: Mapping[str, str]

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Put the texts into the schema, for whoever checks requests against it."""
        return handler(core_schema) | {"x-refusals": dict(self.texts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEntries:
    """The form of a text that is a list of entries; what does not have it is refused before anybody computes.

    `separator` and `entry` are regular expressions: of what stands between entries, and of a whole entry. There are
    `minimum` entries or more. `right` tells users what would be right.
    """

    separator: str
    entry: str
    minimum: int
    right: str

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Put the form into the schema, for whoever checks requests against it."""
        return handler(core_schema) | {"x-entries": asdict(self)}


@dataclass(frozen=True, slots=True)
class Hint:
    """What is to be put into a field, in a few words: user interfaces show the descriptions of numbers only."""

    text: str


class OperationParameters(BaseModel):
    """Base of every operation's parameters. They decide the result, so nothing else may be in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _sort_files(cls, value: Any) -> Any:
        """Sort lists of files by name: the order in which they were chosen must not make another result."""
        if isinstance(value, list) and value and all(isinstance(item, FitsFile) for item in value):
            return sorted(value, key=lambda file: (file.basename, file.source, _PLANES.index(file.plane)))
        return value

    def files(self) -> list[FitsFile]:
        """Return every input file, in the order of the fields."""
        found: list[FitsFile] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, FitsFile)]
        return found


def wizard_input(name: str, info: FieldInfo) -> dict[str, JsonValue]:
    described: dict[str, JsonValue] = {"name": _label(name, info), "description": info.description or ""}
    if not any(isinstance(given, WizardKeys) and "type" in given.keys for given in info.metadata):
        kind, options = _wizard_type(name, info.annotation)
        described["type"] = kind
        if options:
            described["options"] = options
    for constraint in info.metadata:
        described |= _wizard_limit(constraint)
    if info.default is not PydanticUndefined and info.default is not None:
        described["default"] = info.default
    return described


def _label(name: str, info: FieldInfo) -> str:
    """Return the label users see: with the hint, and with what cannot be seen otherwise, that nothing need be given."""
    label = info.title or name
    hints = [given.text for given in info.metadata if isinstance(given, Hint)]
    if hints:
        return f"{label}: {hints[0]}"
    is_required = any(isinstance(given, WizardKeys) and given.keys.get("required") for given in info.metadata)
    may_be_empty = info.default is None or info.default_factory is not None
    return f"{label} (optional)" if may_be_empty and not is_required else label


def _wizard_limit(constraint: object) -> dict[str, JsonValue]:
    match constraint:
        case MinLen(min_length=least):
            return {"minimum": least}
        case MaxLen(max_length=most):
            return {"maximum": most}
        case Ge(ge=least) | Gt(gt=least):
            return {"minimum": _number(least)}
        case Le(le=most) | Lt(lt=most):
            return {"maximum": _number(most)}
        case WizardKeys(keys=keys):
            return dict(keys)
        case _:
            return {}


def _number(value: object) -> JsonValue:
    if not isinstance(value, int | float):
        raise TypeError(f"a wizard limit must be a number, not {value!r}")
    return value


def _wizard_type(name: str, annotation: Any) -> tuple[str, list[JsonValue]]:
    """Return the wizard's word for a Python type, and the choices if there are any."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(choices) == 1:  # an optional value is drawn as the value
        (annotation,) = choices
    if get_origin(annotation) is Literal:
        return "select", list(get_args(annotation))
    if get_origin(annotation) is list and issubclass(get_args(annotation)[0], FitsFile):
        return "fits", []
    words: dict[Any, str] = {int: "int", float: "float", str: "string", SkyPosition: "source"}
    if annotation not in words:
        raise TypeError(f"the wizard has no input for {name}: {annotation!r}")
    return words[annotation], []
