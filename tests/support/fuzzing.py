"""Requests made up from the OpenAPI document by schemathesis, sent to a running application, and what is wrong with the
answers: a status of 5xx, a status, content type or body the document does not know.
"""

import contextlib
import copy
import re
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries it brings
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.core.failures import Failure
    from schemathesis.engine import events, from_schema

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


def faults(
    document, url, *, token, phases, examples, seconds, seed=None, leave_out=(), values=(), may_be_away=(), log=None
):
    """Return what is wrong, as texts, and how many requests were made. Blocks: call it in a thread.

    document: the OpenAPI document. token: of the caller, None for nobody. phases: of schemathesis: `fuzzing` makes up
    `examples` requests for each operation, `coverage` goes through the limits of every parameter. After so many
    seconds it ends. seed: None for the same requests each time. leave_out: operations that are not called, as
    `GET /path`. values: parameters that are not made up, by name (`path.session_id`). may_be_away: operations that may
    answer 503 or 504, as what they ask is not there. log: a file that is told of each fault at once.
    """
    settings = {
        "seed": 1 if seed is None else seed,
        "base-url": url,
        "headers": {} if token is None else {"Authorization": f"Token {token}"},
        "request-timeout": 60,
        "continue-on-failure": True,
        "workers": 1,
        "warnings": False,
        "parameters": dict(values),
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        "phases": {
            "examples": {"enabled": False},
            "coverage": {"enabled": "coverage" in phases},
            "fuzzing": {"enabled": "fuzzing" in phases},
            "stateful": {"enabled": False},
        },
        "generation": {
            "max-examples": examples,
            "deterministic": seed is None,
            "no-shrink": seed is None,
            "database": "none",
            "with-security-parameters": False,
        },
    }
    config = SchemathesisConfig.from_dict(settings)
    config.max_time = seconds
    schema = schemathesis.openapi.from_dict(_readable(document), config=config)
    for operation in leave_out:
        schema = schema.exclude(name=operation)
    found, requests = {}, 0

    def note(fault):
        if found.setdefault(re.sub(r"\d+", "0", fault[:200]), fault) is fault and log is not None:
            log.write(f"{fault}\n\n")
            log.flush()

    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                requests += len(event.recorder.interactions)
                for fault in _faults_of(event.recorder, may_be_away):
                    note(fault)
            case events.NonFatalError() | events.FatalError():
                error = getattr(event, "value", None) or event.exception
                note(f"{getattr(event, 'label', '')}: {type(error).__name__}: {error}")
    return list(found.values()), requests


def _readable(document):
    """Return the document without schemas of bare texts, which say they are JSON and are none."""
    readable = copy.deepcopy(document)
    for operations in readable["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    if content.get("schema") == {"type": "string"}:
                        del content["schema"]
    return readable


def _faults_of(recorder, may_be_away):
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            response = recorder.interactions[case_id].response
            if response.status_code in {503, 504} and recorder.label in may_be_away:
                continue
            failure: Failure = check.failure_info.failure
            request = recorder.interactions[case_id].request
            body = b""
            with contextlib.suppress(Exception):
                body = request.body or b""
            yield (
                f"{recorder.label} [{check.name}] {response.status_code} {failure.title}: {failure.message[:600]}\n"
                f"    {request.method} {request.uri[:400]} {body[:400]!r}\n    -> {response.content[:400]!r}"
            )
