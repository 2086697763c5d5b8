"""Signed forms: what S3 calls a presigned POST. Whoever has one may store one object, of one key, for some minutes.

A store that takes such forms checks them itself. Where it does not (rclone), the same form is sent to us: `open_form`
checks what the store would.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from minio.datatypes import PostPolicy
from minio.signer import post_presign_v4

from datalab.errors import UsageError
from datalab.platform.objects.driver import s3_client
from datalab.platform.objects.keys import valid_key
from datalab.platform.settings import S3Settings

_POLICY, _SIGNATURE, _DATE = "policy", "x-amz-signature", "x-amz-date"
#: Fields a form may have that no policy names; S3 ignores those, too.
_IGNORED_PREFIX: Final = "x-ignore-"
_UNSIGNED: Final = frozenset({_POLICY, _SIGNATURE, "file"})


class FormRefusedError(UsageError):
    """A form that was altered, is not ours, or is too old; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedForm:
    """The fields of a form, in the order in which they are sent, before the file."""

    key: str
    fields: Mapping[str, str]

    @property
    def form_id(self) -> str:
        """What tells this form from any other, and tells nobody its signature."""
        return form_id(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedForm:
    """What a form that was sent allows."""

    form_id: str
    key: str
    max_bytes: int


class Forms:
    """Signs forms for the bucket, and opens them again. Computed here: no request is made."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = settings.s3_bucket
        self._region = settings.s3_region
        self._secret = settings.s3_secret_key.get_secret_value()
        public = settings.s3_public_url or settings.s3_url
        self._signer = s3_client(settings, public)
        #: Where the store itself takes forms, if it does.
        self.store_url = f"{public.rstrip('/')}/{settings.s3_bucket}"

    def sign(self, key: str, *, max_bytes: int, expires_at: datetime) -> SignedForm:
        """Return a form that stores up to `max_bytes` under `key`. Raises `UsageError` for a key no server takes."""
        # Built to the millisecond, so that two forms for one key are two forms.
        policy = PostPolicy(self._bucket, expires_at.astimezone(UTC))
        policy.add_equals_condition("key", valid_key(key))
        policy.add_content_length_range_condition(0, max_bytes)
        signed = self._signer.presigned_post_policy(policy)
        order = ("x-amz-algorithm", "x-amz-credential", _DATE, _POLICY, _SIGNATURE)
        return SignedForm(key=key, fields={"key": key, **{name: signed[name] for name in order}})

    def open_form(self, fields: Mapping[str, str], *, now: datetime) -> OpenedForm:
        """Return what a form allows. Raises `FormRefusedError`."""
        given = {name.lower(): value for name, value in fields.items()}
        missing = [name for name in ("key", _DATE, _POLICY, _SIGNATURE) if name not in given]
        if missing:
            raise FormRefusedError(f"The form has no field {missing[0]!r}; send every field that came with the link.")
        policy = given[_POLICY]
        if not hmac.compare_digest(self._signature(policy, given[_DATE]), given[_SIGNATURE].encode(errors="replace")):
            raise FormRefusedError("The form's signature is not ours: it was altered, or made for another system.")
        try:  # signed by us: what follows can fail only for a form of an earlier version of this software
            said = json.loads(base64.b64decode(policy, validate=True))
            expires_at = datetime.fromisoformat(said["expiration"])
            conditions = said["conditions"]
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise FormRefusedError("The form's policy cannot be read.") from None
        if now >= expires_at:
            raise FormRefusedError(f"The form has expired, at {said['expiration']}; ask for another one.")
        max_bytes = _checked(conditions, {**given, "bucket": self._bucket})
        return OpenedForm(form_id=form_id(given), key=given["key"], max_bytes=max_bytes)

    def _signature(self, policy: str, amz_date: str) -> bytes:
        try:
            moment = datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise FormRefusedError(f"The form's {_DATE} is not a date.") from None
        return post_presign_v4(policy, self._secret, moment, self._region).encode()


def form_id(fields: Mapping[str, str]) -> str:
    """Return an id of a form, the same for the same policy and signature."""
    return hashlib.sha256(f"{fields[_POLICY]}\n{fields[_SIGNATURE]}".encode()).hexdigest()


def _checked(conditions: list[Any], given: Mapping[str, str]) -> int:
    """Return the most bytes allowed, once every condition holds and every field has one. Raises `FormRefusedError`."""
    max_bytes = 0
    named = set(_UNSIGNED)
    for condition in conditions:
        kind, first, second = condition
        if kind == "content-length-range":
            max_bytes = int(second)
            continue
        name = str(first).removeprefix("$")
        named.add(name)
        if kind != "eq" or given.get(name) != second:
            raise FormRefusedError(f"The form's field {name!r} is not what it was made for.")
    others = sorted(name for name in given if name not in named and not name.startswith(_IGNORED_PREFIX))
    if others:
        raise FormRefusedError(f"The form was not made with a field {others[0][:100]!r}.")
    return max_bytes
