"""The process that knows operations and analysis actions: says what there is, checks and normalises parameters."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue, ValidationError

from datalab.errors import UsageError, explain_validation
from datalab.processes.worker import Parent
from operation_runner import SERVICE
from operation_runner.offers.loaded import analyses_of, operations_of
from operation_runner.offers.model import NormalisedParameters, Offer, OfferedAction, Question, RenderingKind
from operation_runner.offers.packages import Packages
from operation_runner.offers.registry import RegistryError, describe, describe_analyses
from operation_runner.sdk import Operation
from operation_runner.sdk.analysis import Analysis, Cutting, Glimpsing, Rendering

Answer = Offer | RegistryError | NormalisedParameters | dict[str, JsonValue]


def describing(_: Parent, packages: Packages) -> Callable[[Question], Answer]:
    """Return the function that answers the `Describer`."""

    def answer(question: Question) -> Answer:
        match question.kind:
            case "offer":
                return offer_of(packages)
            case "operation":
                return normalised(operations_of(packages.operations)[question.name], question.parameters)
            case "action":
                return checked(analyses_of(packages.analyses)[question.name], question.parameters)

    return answer


def offer_of(packages: Packages) -> Offer | RegistryError:
    """Return what the packages offer, or what is wrong with them: a mistake of their author, not a bug of ours."""
    try:
        operations, analyses = operations_of(packages.operations), analyses_of(packages.analyses)
    except RegistryError as error:
        return error
    return Offer(
        operations=describe(operations, producer=SERVICE),
        analyses=describe_analyses(analyses, producer=SERVICE),
        actions={name: offered(action) for name, action in analyses.items()},
    )


def normalised(operation: Operation, parameters: dict[str, JsonValue]) -> NormalisedParameters:
    """Return what an operation makes of a request's parameters. Raises `UsageError`."""
    try:
        valid = operation.Parameters.model_validate(parameters)
    except ValidationError as error:
        raise UsageError(f"Operation {operation.name} received invalid input: {explain_validation(error)}.") from error
    return NormalisedParameters(
        values=valid.model_dump(mode="json"), files=tuple((file.source, file.basename) for file in valid.files())
    )


def offered(action: Analysis) -> OfferedAction:
    """Return what the runner needs to know of an action."""
    if not isinstance(action, Rendering):
        return OfferedAction(
            name=action.name, in_parts=isinstance(action, Cutting), glimpsed=isinstance(action, Glimpsing)
        )
    return OfferedAction(
        name=action.name,
        rendering=RenderingKind(
            version=action.version, link=action.link, extension=action.extension, media_type=action.media_type
        ),
    )


def checked(action: Analysis, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return an action's parameters with every default. Raises `UsageError` that names what is missing or wrong."""
    try:
        return action.Parameters.model_validate(given).model_dump(mode="json")
    except ValidationError as invalid:
        problems = invalid.errors(include_url=False, include_input=False, include_context=False)
    missing = [f"'{problem['loc'][0]}'" for problem in problems if problem["type"] == "missing"]
    if missing:
        raise UsageError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    where = ".".join(str(part) for part in problems[0]["loc"])
    raise UsageError(f"'{where}' is wrong: {problems[0]['msg']}")
