"""Every answer is what the OpenAPI document says of its route and status: tests' clients look at each of them."""

import copy
import json
import re
from functools import cache

import orjson
from jsonschema import Draft202012Validator

from session_api.web.paths import canonical_path
from session_api.web.photon_ranch import split_stage

#: Routes for whoever looks after the process: no client of the API calls them.
UNDESCRIBED = {"/healthz", "/readyz", "/metrics", "/api/openapi.json"}
#: What pages load, as it is.
FILES = "/console/"
_BARE_TEXT = {"type": "string"}
_BINARY = {**_BARE_TEXT, "format": "binary"}
_DETAIL = {"$ref": "#/components/schemas/Detail"}


class OpenApiContract:
    """The promises of one application."""

    def __init__(self, document):
        self._document = copy.deepcopy(document)
        for schema in self._document["components"]["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)  # what the document does not name is not sent
        self._templates = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations)
            for path, operations in self._document["paths"].items()
        ]
        self._validator = cache(self._new_validator)

    async def check(self, response):
        """Compare an answer with the document; a response hook of httpx."""
        await response.aread()
        path = self._described_path(canonical_path(response.request.url.path))
        method = response.request.method
        if path in UNDESCRIBED or path.startswith(FILES) or (method == "OPTIONS" and response.status_code == 200):
            return
        about = f"{method} {path} answers {response.status_code}: {response.content[:200]!r}"
        described = [found for template, found in self._templates if template.fullmatch(path)]
        with_method = [found for found in described if method.lower() in found]
        operations = next(iter([*with_method, *described]), {})
        if method.lower() in operations:
            self._compare(response, operations[method.lower()]["responses"], about)
        else:  # no such path, or not with this method
            assert response.status_code in ({405} if operations else {404}) | {401, 413}, about
            self._compare(response, {"4XX": {"content": {"application/json": {"schema": _DETAIL}}}}, about)

    def _described_path(self, path):
        """Return a path without the stage in front of it, if it is described without."""
        if any(template.fullmatch(path) for template, _ in self._templates):
            return path
        _, without = split_stage(path)
        return without if any(template.fullmatch(without) for template, _ in self._templates) else path

    def _compare(self, response, promised, about):
        status = response.status_code
        answer = promised.get(str(status)) or promised.get(f"{status // 100}XX")
        assert answer is not None, f"undeclared: {about}"
        if "content" not in answer:
            assert response.content == b"", about
            return
        content = response.headers["Content-Type"], answer["content"].get(response.headers["Content-Type"])
        assert content[1] is not None, about
        if content[1]["schema"] == _BINARY:
            return
        bare_text = content[1]["schema"] == _BARE_TEXT
        said = response.text if bare_text else orjson.loads(response.content)
        errors = list(self._validator(json.dumps(content[1]["schema"])).iter_errors(said))
        assert not errors, f"{about}\n{errors[0]}"

    def _new_validator(self, schema):
        return Draft202012Validator({**json.loads(schema), "components": self._document["components"]})
