"""`/jobs/…`: what the user interface asks observatories to do, and how these ask for it and answer."""

from __future__ import annotations

from typing import Annotated, Final, NotRequired

import orjson
from fastapi import Query, Request
from pydantic import JsonValue
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.errors import UsageError
from datalab.events.feed import JobChanged
from session_api.jobs.model import LARGEST_PARAMETERS_BYTES, LONGEST_TEXT, JobQueue
from session_api.jobs.service import JobService
from session_api.web.access import Access, access
from session_api.web.bodies import TOO_MANY, JsonObject, number_in
from session_api.web.dependencies import Address, Anybody, Caller, CorrelationId, provided
from session_api.web.photon_ranch import TEXT_ERRORS, Done, ResponseMetadata, done_metadata, photon_ranch_router
from session_api.web.replies import JsonReply

_REQUIRED: Final = (
    "site", "device", "instance", "action", "user_name", "user_id", "optional_params", "required_params",
)  # fmt: skip
_DAY_MS: Final = 86_400_000
#: Each change is told on the feed.
_LIMITS: Final = ("job_changes_per_minute", "job_changes_address_per_minute")

Jobs = Annotated[JobService, provided(JobService)]
Seconds = Annotated[
    float | None,
    Query(gt=0, le=86_400, description="jobs of which nothing is said in this time are new again, in seconds"),
]

router = photon_ranch_router(tag="jobs")


class JobView(TypedDict):
    """A job. A status id is the status, `#` and the job's id; there is one for each of the two queues of the site."""

    site: str
    ulid: str
    statusId: str
    replicaStatusId: str
    user_name: str
    user_id: str
    user_roles: list[str]
    timestamp_ms: int
    deviceType: str
    deviceInstance: str
    action: str
    optional_params: JsonValue
    required_params: JsonValue
    secondsUntilComplete: NotRequired[float]


class NewJobView(JobView):
    """A job that is new, and that it is stored."""

    table_response: Done


class SaidView(TypedDict):
    """What was noted of a job."""

    ResponseMetadata: ResponseMetadata
    ulid: str
    statusId: str
    secondsUntilComplete: float


@router.post(
    "/jobs/newjob",
    response_model=NewJobView,
    responses={**TEXT_ERRORS, **TOO_MANY},
    summary="Ask an observatory to do something",
)
@access(Access.USER, emits=(JobChanged,), limits=("job_max_unread", *_LIMITS))
async def new_job(
    caller: Caller, form: JsonObject, *, address: Address, request_id: CorrelationId, jobs: Jobs
) -> Response:
    for name in _REQUIRED:
        if name not in form:
            raise UsageError(f"Error: missing required key {name}")
    job = await jobs.add(
        caller,
        _text(form, "site"),
        address=address,
        device_type=_text(form, "device"),
        device_instance=_text(form, "instance"),
        action=_text(form, "action"),
        user_name=_text(form, "user_name"),
        user_id=_text(form, "user_id"),
        optional_params=_parameters(form, "optional_params"),
        required_params=_parameters(form, "required_params"),
    )
    return JsonReply({**job.shown(), "table_response": Done(ResponseMetadata=done_metadata(request_id))})


@router.post(
    "/jobs/getnewjobs",
    response_model=list[JobView],
    responses=TEXT_ERRORS,
    summary="Receive the jobs of a site that nobody has received",
)
@access(Access.PUBLIC, audited=False, provided="who speaks for the site", limits=_LIMITS, emits=(JobChanged,))
async def get_new_jobs(
    request: Request, caller: Anybody, form: JsonObject, *, address: Address, jobs: Jobs, lease_s: Seconds = None
) -> Response:
    queue = _queue(form)
    found = await jobs.hand_out(caller, _text(form, "site"), queue, lease_s=lease_s, address=address)
    if found and await request.is_disconnected():  # observatories give up after some seconds, and ask again
        await jobs.put_back(found, queue)
    return JsonReply([job.shown() for job in found])


@router.post(
    "/jobs/updatejobstatus",
    response_model=SaidView,
    responses={**TEXT_ERRORS, **TOO_MANY},
    summary="Say how far a job is",
)
@access(Access.PUBLIC, audited=False, provided="who speaks for the site", limits=_LIMITS, emits=(JobChanged,))
async def update_job_status(
    caller: Anybody, form: JsonObject, *, address: Address, request_id: CorrelationId, jobs: Jobs
) -> Response:
    queue, seconds = _queue(form), _seconds(form.get("secondsUntilComplete"))
    status = _text(form, "newStatus")
    if not status or "#" in status:
        raise UsageError("newStatus is a text without #.")
    job = await jobs.say(
        caller,
        _text(form, "site"),
        _text(form, "ulid"),
        queue=queue,
        status=status,
        seconds_until_complete=seconds,
        address=address,
    )
    said = {"ulid": job.ulid, "statusId": f"{status}#{job.ulid}", "secondsUntilComplete": seconds}
    return JsonReply({"ResponseMetadata": done_metadata(request_id), **said})


@router.post(
    "/jobs/getrecentjobs", response_model=list[JobView], responses=TEXT_ERRORS, summary="See the latest jobs of a site"
)
@access(Access.PUBLIC, large_answer=True, writes=False)
async def get_recent_jobs(form: JsonObject, jobs: Jobs) -> Response:
    within_ms = number_in(form.get("timeRange", _DAY_MS))
    if within_ms is None or not 0 <= within_ms <= 10**13:
        raise UsageError("timeRange is a number of milliseconds.")
    found = await jobs.recent(_text(form, "site"), within_s=within_ms / 1000)
    return JsonReply([job.shown() for job in found])


def _text(form: JsonObject, name: str) -> str:
    value = form.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # the first service wrote numbers as texts, too
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise UsageError(f"{name} is required, a text of at most {LONGEST_TEXT} characters.")
    return value


def _parameters(form: JsonObject, name: str) -> str:
    content = orjson.dumps(form[name])
    if len(content) > LARGEST_PARAMETERS_BYTES:
        raise UsageError(f"{name} has {len(content)} bytes; {LARGEST_PARAMETERS_BYTES} are possible.")
    return content.decode()


def _queue(form: JsonObject) -> JobQueue:
    return JobQueue.ALTERNATE if form.get("alternateQueue") else JobQueue.PRIMARY


def _seconds(value: JsonValue) -> float:
    if value is None or value == "":
        return -1
    seconds = number_in(value)
    if seconds is None:
        raise UsageError("secondsUntilComplete is a number, or -1.")
    return int(seconds) if seconds.is_integer() else seconds
