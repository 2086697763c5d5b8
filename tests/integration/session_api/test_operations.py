"""Operations as clients know them, with a runner played by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from datalab.documents.removed_frame import RemovedFrame
from datalab.events.operations import OperationCancelRequested
from datalab.events.topology import CANCELLATIONS
from support.session_api import archive, body_of, frame_document, frame_file, result, stored_file
from support.waiting import until

KEYS = ["id", "name", "status", "message", "operation_progress", "output", "input_data", "created", "state"]


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


def operations_path(session_id, *more):
    return "/".join(["/api/datasessions", str(session_id), "operations", *map(str, more), ""])


async def cancellations(world, operation_id):
    messages = [
        OperationCancelRequested.decode(message.body)
        async for message in world.bus.replay(CANCELLATIONS, after=0, filter_subjects=CANCELLATIONS.subjects)
    ]
    return [each.attempt for each in messages if each.operation_id == operation_id]


async def refusal(alice, session_id, name, input_data):
    """Return the text an operation is refused with."""
    reply = await alice.post(operations_path(session_id), json={"name": name, "input_data": input_data})
    assert reply.status_code == 400, reply.text
    body = body_of(reply)
    body.pop("input", None)  # which one it is about: test_inputs
    assert body == {"input_data": [body["error"]], "error": body["error"]}
    return body["error"]


async def test_the_catalogue_has_the_order_clients_know_and_others_by_name(alice):
    catalogue = body_of(await alice.get("/api/available_operations/"))
    assert list(catalogue) == ["Color Image", "Light Curve", "Median", "Stacking", "First Look"]
    assert catalogue["Median"]["inputs"]["input_files"]["minimum"] == 2


async def test_an_operation_lives(world, alice, session_id):
    inputs = {"input_files": [archive("f2"), archive("f1")]}
    reply = await alice.post(operations_path(session_id), json={"name": "Median", "input_data": inputs})
    assert reply.status_code == 201
    pending = body_of(reply)
    assert list(pending) == KEYS
    assert (pending["name"], pending["status"], pending["message"]) == ("Median", "PENDING", "")
    assert (pending["operation_progress"], pending["output"]) == (0.0, None)
    assert pending["input_data"] == {"input_files": [archive("f1"), archive("f2")]}
    number = pending["id"]
    assert isinstance(number, int)

    running = await world.start(alice, session_id, number)
    assert running["status"] == "IN_PROGRESS"
    done = await world.succeed(alice, session_id, number)
    assert (done["operation_progress"], done["message"]) == (1.0, "")
    (request,) = await world.requests(number)
    assert (request.operation, request.session_id, request.attempt, request.lane) == ("Median", session_id, 1, "slow")
    assert request.parameters == {"input_files": [archive("f1"), archive("f2")]}
    assert [(file.basename, file.key) for file in request.input_files] == [
        ("f1", "data/f1.fits.fz"),
        ("f2", "data/f2.fits.fz"),
    ]
    assert body_of(await alice.get(operations_path(session_id)))["results"] == [done]
    session = body_of(await alice.get(f"/api/datasessions/{session_id}/"))
    assert [each["id"] for each in session["operations"]] == [number]
    assert session["modified"] == session["created"]


async def test_outputs_carry_links_signed_at_the_moment_of_reading(world, alice, session_id):
    number = await world.operation(alice, session_id)
    made = result("out-1", output_data=[{"mag": None, "x": 1.5}])
    output = (await world.succeed(alice, session_id, number, made))["output"]
    assert output["output_data"] == [{"mag": None, "x": 1.5}]
    (file,) = output["output_files"]
    assert {key: file[key] for key in ("basename", "source", "type", "filter", "target_name")} == {
        "basename": "out-1",
        "source": "datalab",
        "type": "fits",
        "filter": "rp",
        "target_name": "M 33",
    }
    assert file["id"] == 10**12 + number * 10_000_000 + 1  # no frame's, and the same whenever it is read
    assert file.keys() >= {"large_url", "small_url", "fits_url"}
    assert "tif_url" not in file
    assert "observation_date" not in file
    link = parse_qs(urlsplit(file["fits_url"]).query)
    assert link["response-content-type"] == ["image/fits"]
    assert 'filename="out-1.fits"' in link["response-content-disposition"][0]
    document = await world.database["operations"].find_one({"_id": number})
    assert "X-Amz" not in str(document)


async def test_only_outputs_that_can_be_measured_as_exposures_have_a_filter_and_any_can_be_chosen(world, bob):
    """Wizards begin with every image that has the filter; what is chosen by hand is taken all the same."""
    session_id = await world.session(bob)
    number = await world.operation(bob, session_id)
    made = result("stack-1")
    (output,) = made.output_files
    files = (output.model_copy(update={"is_exposure": False}), output.model_copy(update={"basename": "aligned-1"}))
    shown = await world.succeed(bob, session_id, number, made.model_copy(update={"output_files": files}))
    stack, aligned = shown["output"]["output_files"]
    assert "filter" not in stack
    assert (aligned["filter"], stack["target_name"]) == ("rp", "M 33")
    assert aligned["id"] == stack["id"] + 1
    chosen = [{"basename": "stack-1", "source": "datalab"}, archive("f1")]
    inputs = {"input_files": chosen, "source": {"ra": 1.0, "dec": 2.0}}
    await world.fail(bob, session_id, await world.operation(bob, session_id, "Light Curve", inputs))


async def test_a_poll_that_has_seen_the_answer_is_told_so(world, alice, bob):
    session_id = await world.session(bob)
    number = await world.operation(bob, session_id)
    await world.succeed(bob, session_id, number)
    paths = ["/api/datasessions/", operations_path(session_id), operations_path(session_id, number)]
    for path in [*paths, "/api/available_operations/"]:
        first = await bob.get(path)
        seen = {"If-None-Match": first.headers["ETag"]}
        again = await bob.get(path, headers=seen)
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (await bob.get(path, headers={"If-None-Match": '"other"'})).content == first.content
        plain = await bob.get(path, headers={"Accept-Encoding": "identity"})
        assert plain.content == first.content
        assert len(plain.content) == int(plain.headers["Content-Length"])
        assert "Content-Encoding" not in plain.headers
        assert (await bob.get(path, headers=seen | {"Accept-Encoding": "identity"})).status_code == 304
        anybody = await alice.get(path, headers=seen)
        assert anybody.status_code == (304 if "available" in path else 200 if path == paths[0] else 404)
    other = await world.operation(bob, session_id)
    for path in paths[:2]:
        seen = {"If-None-Match": (await bob.get(path)).headers["ETag"]}
        await world.start(bob, session_id, other) if path == paths[0] else await world.fail(bob, session_id, other)
        assert (await bob.get(path, headers=seen)).status_code == 200


async def test_long_lists_are_compressed_and_say_how_long_they_are(world, bob):
    session_id = await world.session(bob)
    number = await world.operation(bob, session_id)
    rows = [{"mag": 14.0 + point / 7, "fits_path": f"frame-{point}"} for point in range(1000)]
    await world.succeed(bob, session_id, number, result(output_data=[{"light_curve": rows}]))
    reply = await bob.get(operations_path(session_id))
    sent = int(reply.headers["Content-Length"])
    assert reply.headers["Content-Encoding"] == "gzip"
    assert 0 < sent < len(reply.content) / 3
    assert reply.headers["Vary"].startswith("Authorization, Cookie, Accept-Encoding")
    (shown,) = body_of(reply)["results"]
    assert shown["output"]["output_data"] == [{"light_curve": rows}]


async def test_an_operation_without_images_still_has_a_list_of_them(world, alice, session_id):
    number = await world.operation(alice, session_id)
    made = result().model_copy(update={"output_files": ()})
    assert (await world.succeed(alice, session_id, number, made))["output"] == {"output_files": []}


async def test_not_a_number_becomes_null(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, number)
    await world.database["operations"].update_one(
        {"_id": number}, {"$set": {"result.output_data": [{"mag": float("nan"), "more": [float("inf"), 1.0]}]}}
    )
    shown = body_of(await alice.get(operations_path(session_id, number)))
    assert shown["output"]["output_data"] == [{"mag": None, "more": [None, 1.0]}]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name": ["This field is required."], "input_data": ["This field is required."]}),
        ({"name": None, "input_data": {}}, {"name": ["This field may not be null."]}),
        ({"name": "Bogus", "input_data": {}}, {"name": ['"Bogus" is not a valid choice.']}),
        ({"name": "median", "input_data": {}}, {"name": ['"median" is not a valid choice.']}),
        ({"name": "Color_Image", "input_data": {}}, {"name": ['"Color_Image" is not a valid choice.']}),
        ({"name": "Median", "input_data": []}, {"input_data": ['Expected a dictionary of items but got type "list".']}),
        ({"name": "Median", "input_data": None}, {"input_data": ["This field may not be null."]}),
    ],
)
async def test_what_an_operation_needs(alice, session_id, body, fields):
    reply = await alice.post(operations_path(session_id), json=body)
    assert (reply.status_code, body_of(reply)) == (400, fields), body


async def test_file_counts(alice, session_id):
    few = "Operation Median requires at least 2 Input Files input file(s)."
    assert await refusal(alice, session_id, "Median", {"input_files": [archive("f1")]}) == few
    assert await refusal(alice, session_id, "Median", {}) == few
    assert await refusal(alice, session_id, "Median", {"input_files": None}) == few
    four = {"input_files": [archive("f1"), archive("f2"), archive("f3"), archive("f1")]}
    many = "Operation Stacking accepts at most 3 Input Files input file(s)."
    assert await refusal(alice, session_id, "Stacking", four) == many


async def test_of_more_files_than_allowed_in_one_filter_the_first_are_kept(world, alice, session_id):
    inputs = {"input_files": [archive("f2"), archive("f1")], "source": {"ra": 1, "dec": 2}}
    number = await world.operation(alice, session_id, "First Look", inputs)
    shown = body_of(await alice.get(operations_path(session_id, number)))
    assert shown["input_data"]["input_files"] == [archive("f1")]
    (request,) = await world.requests(number)
    assert [file.basename for file in request.input_files] == ["f1"]
    text = await refusal(alice, session_id, "First Look", {**inputs, "input_files": [archive("f1"), archive("f3")]})
    assert text == "Operation First Look accepts at most 1 Input Files input file(s)."


async def test_what_names_no_source_is_of_the_archive(world, alice, session_id):
    number = await world.operation(alice, session_id, input_data={"input_files": [{"basename": "f1"}, archive("f2")]})
    (request,) = await world.requests(number)
    assert request.parameters == {"input_files": [archive("f1"), archive("f2")]}


async def test_filters_are_those_of_our_frames_whatever_the_client_says(world, alice, session_id):
    await world.add_frames(frame_document("v1", filter_name="V"), frame_document("nofilter", filter_name=None))

    async def text(*basenames):
        items = [archive(basename, filter="rp") for basename in basenames]
        return await refusal(
            alice, session_id, "Light Curve", {"input_files": items, "source": {"ra": 1.0, "dec": 2.0}}
        )

    assert await text("v1") == (
        "Operation Light Curve requires the Input Files to be taken in one of the rp, ip filters, but got V."
    )
    assert await text("f1", "f3") == (
        "Operation Light Curve requires every Input Files to be taken in the same filter, "
        "but the input files use rp, ip."
    )
    assert (await text("nofilter")).endswith("nofilter does not report a filter.")


async def test_parameters_are_checked_against_the_operations_own_schema(alice, session_id):
    files = {"input_files": [archive("f1"), archive("f2")]}
    assert await refusal(alice, session_id, "Stacking", {**files, "stacking_mode": "x" * 100_000}) == (
        "Operation Stacking: Stacking Mode must be simple or reproject."
    )
    assert await refusal(alice, session_id, "Light Curve", files) == "Operation Light Curve: needs source."
    assert await refusal(alice, session_id, "Light Curve", {**files, "source": {"ra": 1}}) == (
        "Operation Light Curve: Source Star needs dec."
    )
    assert await refusal(alice, session_id, "Color Image", {"color_channels": [archive("f1", zmin="low")]}) == (
        "Operation Color Image: Color Channel 1 zmin must be of type number."
    )
    assert await refusal(alice, session_id, "Median", {**files, "mode": 1}) == (
        "Operation Median has no input 'mode'; it takes input_files."
    )


async def test_inputs_that_name_no_file(alice, session_id):
    needs = 'Every file of Input Files needs a "basename", a text of 1 to 256 characters.'
    empty = 'Input Files: entry 1 has no image: choose one (its "basename") or remove the entry.'
    for item in ({"basename": 5}, {"basename": "x" * 257}, 7, None):
        assert await refusal(alice, session_id, "Median", {"input_files": [item, archive("f1")]}) == needs, item
    for item in ({"source": "archive"}, {"basename": ""}, {"basename": None}):
        assert await refusal(alice, session_id, "Median", {"input_files": [item, archive("f1")]}) == empty, item
    assert await refusal(alice, session_id, "Median", {"input_files": "f1"}) == "Input Files must be a list of files."
    text = await refusal(
        alice, session_id, "Median", {"input_files": [archive("f1"), {"basename": "f2", "source": "ftp"}]}
    )
    assert text == 'f2: Source ftp not recognized; "archive" or "datalab" is right.'


async def test_frames_the_caller_may_not_read_are_not_found(world, alice, bob, root, session_id):
    later, earlier = (datetime.now(UTC) + timedelta(days=sign) for sign in (1, -1))
    await world.add_frames(
        frame_document("private", public_date=later, proposal_id="P1"),
        frame_document("published", public_date=earlier, proposal_id="P2"),
        frame_document("jpeg-only", files={"jpg_10": frame_file(stored_file("data/jpeg-only.jpg")).model_dump()}),
    )
    bobs, roots = await world.session(bob), await world.session(root)
    inputs = {"input_files": [archive("f1"), archive("private")]}
    await world.operation(alice, session_id, input_data=inputs)
    await world.operation(root, roots, input_data=inputs)
    hidden = await refusal(bob, bobs, "Median", inputs)
    missing = await refusal(bob, bobs, "Median", {"input_files": [archive("f1"), archive("nothing")]})
    assert hidden == "Could not find private in the archive"
    assert missing == "Could not find nothing in the archive"
    await world.operation(bob, bobs, input_data={"input_files": [archive("f1"), archive("published")]})
    assert await refusal(bob, bobs, "Median", {"input_files": [archive("f1"), archive("jpeg-only")]}) == (
        "jpeg-only has no FITS file in the archive yet"
    )


@pytest.mark.parametrize(
    ("cause", "why"),
    [("expired", "exposures of its kind are kept for some time only"), ("requested", "it was deleted")],
)
async def test_who_could_see_a_frame_is_told_that_it_went(world, alice, bob, session_id, cause, why):
    now = datetime.now(UTC)
    number = {"expired": 901, "requested": 902}[cause]
    for age, removed_cause in ((2, "expired"), (1, cause)):  # the last frame of the name counts
        document = RemovedFrame(
            frame_id=10 * number + age,
            basename=f"gone-{cause}",
            site="tst",
            cause=removed_cause,
            public_date=now + timedelta(days=1),
            proposal_id="P1",
            removed_at=now - timedelta(days=age),
            forgotten_at=now + timedelta(days=1),
        )
        await world.database["removed_frames"].insert_one(document.stored())
    inputs = {"input_files": [archive("f1"), archive(f"gone-{cause}")]}
    day = now - timedelta(days=1)
    assert await refusal(alice, session_id, "Median", inputs) == (
        f"gone-{cause} is no longer in the archive since {day:%Y-%m-%d}: {why}"
    )
    assert (
        await refusal(bob, await world.session(bob), "Median", inputs) == f"Could not find gone-{cause} in the archive"
    )


async def test_outputs_can_be_inputs_of_their_owner_only(world, alice, bob, session_id):
    first = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, first, result("chained"))
    inputs = {"input_files": [{"source": "datalab", "basename": "chained", "operation": first}, archive("f1")]}
    second = await world.operation(alice, session_id, input_data=inputs)
    (request,) = await world.requests(second)
    assert [(file.source, file.key) for file in request.input_files] == [
        ("datalab", "results/chained/image.fits"),
        ("archive", "data/f1.fits.fz"),
    ]
    shown = body_of(await alice.get(operations_path(session_id, second)))
    assert shown["input_data"]["input_files"][0]["operation"] == first
    bobs = await world.session(bob)
    text = "Could not find chained among the outputs of your operations"
    assert await refusal(bob, bobs, "Median", inputs) == text
    await alice.delete(operations_path(session_id, first))
    assert await refusal(alice, session_id, "Median", inputs) == text


async def test_noise_reaches_neither_runner_nor_store(world, alice, session_id):
    noise = {
        "url": "https://example.org/?X-Amz-Signature=abc",
        "largeCachedUrl": "blob:https://ui/1",
        "operationInputData": {"input_files": [{"operationInputData": {}}]},
        "thumbnails": [],
        "unheard_of": 1,
    }
    kept = {"id": 7, "filter": "rp", "target_name": "M 33", "observation_date": "2026-11-20T00:00:00Z"}
    channel = {"color": {"r": 255, "g": 0, "b": 0}, "zmin": 1, "zmax": 2.5}
    items = [archive("f1", **noise, **kept, **channel)]
    number = await world.operation(alice, session_id, "Color Image", {"color_channels": items})
    shown = body_of(await alice.get(operations_path(session_id, number)))
    assert shown["input_data"] == {"color_channels": [archive("f1", **kept, **channel)]}
    (request,) = await world.requests(number)
    assert request.parameters == {"color_channels": [archive("f1", **channel)]}
    assert "X-Amz" not in str(await world.database["operations"].find_one({"_id": number}))


async def test_clients_cannot_choose_session_or_cache_key(world, alice, bob, session_id):
    bobs = await world.session(bob)
    body = {
        "name": "Median",
        "input_data": {"input_files": [archive("f1"), archive("f2")]},
        "session_id": bobs,
        "cache_key": "0" * 64,
        "status": "COMPLETED",
    }
    made = body_of(await alice.post(operations_path(session_id), json=body))
    assert made["status"] == "PENDING"
    assert body_of(await bob.get(operations_path(bobs)))["count"] == 0


async def test_a_double_click_with_an_idempotency_key_starts_one_operation(world, alice, bob, session_id):
    body = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}
    key = {"Idempotency-Key": "click-1"}
    replies = await asyncio.gather(*(alice.post(operations_path(session_id), json=body, headers=key) for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len({body_of(reply)["id"] for reply in replies}) == 1
    assert body_of(await alice.get(operations_path(session_id)))["count"] == 1
    elsewhere = await world.session(alice)
    others = {
        "name": await alice.post(operations_path(session_id), json={**body, "name": "Stacking"}, headers=key),
        "inputs": await alice.post(
            operations_path(session_id), json={**body, "input_data": {"input_files": [archive("f1")] * 2}}, headers=key
        ),
        "session": await alice.post(operations_path(elsewhere), json=body, headers=key),
    }
    for what, other in others.items():
        assert (other.status_code, body_of(other)) == (
            409,
            {"detail": "This Idempotency-Key was used for another operation, or other inputs."},
        ), what
    signed_anew = [archive("f2", url="https://example.org/?signature=2"), archive("f1")]
    same = await alice.post(
        operations_path(session_id), json={**body, "input_data": {"input_files": signed_anew}}, headers=key
    )
    assert (same.status_code, body_of(same)["id"]) == (200, body_of(replies[0])["id"])
    bobs = await world.session(bob)
    assert (await bob.post(operations_path(bobs), json=body, headers=key)).status_code == 201
    await alice.delete(operations_path(session_id, body_of(replies[0])["id"]))
    assert (await alice.post(operations_path(session_id), json=body, headers=key)).status_code == 201
    long = await alice.post(operations_path(session_id), json=body, headers={"Idempotency-Key": "x" * 201})
    assert long.status_code == 400


async def test_operations_are_listed_by_id_in_pages(world, alice, session_id):
    numbers = [await world.operation(alice, session_id) for _ in range(3)]
    page = body_of(await alice.get(operations_path(session_id), params={"limit": 2}))
    assert [each["id"] for each in page["results"]] == numbers[:2]
    assert page["next"] == f"{world.url}{operations_path(session_id)}?limit=2&offset=2"
    rest = body_of(await alice.get(page["next"]))
    assert [each["id"] for each in rest["results"]] == numbers[2:]
    assert rest["previous"] == f"{world.url}{operations_path(session_id)}?limit=2"


async def test_cancelling_ends_an_operation_at_once(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.start(alice, session_id, number)
    reply = await alice.post(operations_path(session_id, number, "cancel"))
    cancelled = body_of(reply)
    assert (reply.status_code, cancelled["state"]) == (200, "CANCELLED")
    # What clients that know no such state wait for, and show as an error.
    assert (cancelled["status"], cancelled["message"]) == ("FAILED", "Cancelled")
    sessions = body_of(await alice.get("/api/datasessions/"))["results"]
    session = next(each for each in sessions if each["id"] == session_id)
    listed = body_of(await alice.get(operations_path(session_id)))["results"]
    assert session["operations"] == listed == [body_of(await alice.get(operations_path(session_id, number)))]
    assert listed == [cancelled]
    again = await alice.post(operations_path(session_id, number, "cancel"))
    assert (again.status_code, body_of(again)) == (
        409,
        {"detail": "The operation is CANCELLED; only one that waits or runs can be stopped."},
    )
    second = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, second)
    assert (await alice.post(operations_path(session_id, second, "cancel"))).status_code == 409
    assert await until(lambda: cancellations(world, number)) == [1]
    assert await cancellations(world, second) == []


async def test_retrying_asks_for_the_same_again(world, bob):
    session_id = await world.session(bob)  # of somebody whose share of the runners is not used up here
    number = await world.operation(bob, session_id)
    early = await bob.post(operations_path(session_id, number, "retry"))
    assert (early.status_code, body_of(early)) == (
        409,
        {"detail": "The operation is PENDING; only one that failed or was cancelled can be retried."},
    )
    failed = await world.fail(bob, session_id, number, message="No stars in f2.")
    assert (failed["message"], failed["output"]) == ("No stars in f2.", None)
    retried = body_of(await bob.post(operations_path(session_id, number, "retry")))
    assert (retried["status"], retried["message"], retried["operation_progress"]) == ("PENDING", "", 0.0)
    await world.succeed(bob, session_id, number, attempt=2)
    assert (await bob.post(operations_path(session_id, number, "retry"))).status_code == 409
    first, second = await world.requests(number)
    assert (first.attempt, second.attempt) == (1, 2)
    assert (first.parameters, first.input_files) == (second.parameters, second.input_files)
    assert first.event_id != second.event_id


async def test_a_cancelled_operation_can_be_retried(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await alice.post(operations_path(session_id, number, "cancel"))
    assert body_of(await alice.post(operations_path(session_id, number, "retry")))["status"] == "PENDING"
    await world.report_cancelled(number)
    await world.succeed(alice, session_id, number, attempt=2)


async def test_deleting_an_operation_stops_it(world, alice, session_id):
    number = await world.operation(alice, session_id)
    reply = await alice.delete(operations_path(session_id, number))
    assert (reply.status_code, reply.content, reply.headers["Content-Length"]) == (204, b"", "0")
    missing = (404, {"detail": "No DataOperation matches the given query."})
    for gone in (
        await alice.get(operations_path(session_id, number)),
        await alice.delete(operations_path(session_id, number)),
        await alice.post(operations_path(session_id, number, "cancel")),
        await alice.post(operations_path(session_id, number, "retry")),
    ):
        assert (gone.status_code, body_of(gone)) == missing
    assert await until(lambda: cancellations(world, number)) == [1]


async def test_a_retry_while_it_is_deleted_is_stopped_too(world, alice, session_id, monkeypatch):
    number = await world.operation(alice, session_id)
    await world.fail(alice, session_id, number)
    repository = world.operations._operations
    handles = repository.handles

    async def overtaken(*args):
        found = await handles(*args)
        monkeypatch.setattr(repository, "handles", handles)
        assert (await alice.post(operations_path(session_id, number, "retry"))).status_code == 200
        return found

    monkeypatch.setattr(repository, "handles", overtaken)
    assert (await alice.delete(operations_path(session_id, number))).status_code == 204
    assert (await alice.get(operations_path(session_id, number))).status_code == 404
    assert await until(lambda: cancellations(world, number)) == [2]


async def test_deleting_several(world, alice, session_id):
    numbers = [await world.operation(alice, session_id) for _ in range(3)]
    elsewhere = await world.session(alice)
    other = await world.operation(alice, elsewhere)
    path = operations_path(session_id, "bulk_delete")
    reply = await alice.post(path, json={"ids": [*numbers[:2], numbers[0], other, 10**9, -1, 2**63 - 1]})
    assert (reply.status_code, body_of(reply)) == (200, {"deleted": 2})
    assert [each["id"] for each in body_of(await alice.get(operations_path(session_id)))["results"]] == numbers[2:]
    assert body_of(await alice.get(operations_path(elsewhere)))["count"] == 1
    assert body_of(await alice.post(path, json={"ids": []})) == {"deleted": 0}
    for body, fields in (
        ({}, {"ids": ["This field is required."]}),
        ({"ids": None}, {"ids": ["This field may not be null."]}),
        ({"ids": "1"}, {"ids": ['Expected a list of items but got type "str".']}),
        ({"ids": [1, "2"]}, {"ids": ["1: A valid integer is required."]}),
        ({"ids": [True]}, {"ids": ["0: A valid integer is required."]}),
        ({"ids": [1.0]}, {"ids": ["0: A valid integer is required."]}),
        ({"ids": [0] * 10_001}, {"ids": ["Ensure this field has no more than 10000 elements."]}),
    ):
        reply = await alice.post(path, json=body)
        assert (reply.status_code, body_of(reply)) == (400, fields), body
