"""What the object store deletes or moves by itself, where it knows such rules.

Ours are told from those of others by how their ids begin; others' stay as they are. Stores that have no rules (rclone)
are told by their answer to the question for them: nothing is written to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import InvalidResponseError, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule, Transition

from datalab.errors import UsageError
from datalab.events.object_keys import DATA, INFO_IMAGES, TRIALS

_OURS: Final = "datalab-"
_TRIAL_DAYS: Final = 2
#: An info image is shown for two days after its latest file, which may come two days after its first: ingest deletes it
#: then, and the rule is the net below that.
_SHOWN_DAYS: Final = 5
#: What a store says that knows no such thing, or whose reading of the question is another one.
_NO_SUCH_THING: Final = frozenset({"MethodNotAllowed", "NotImplemented", "XNotImplemented"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRule:
    """What becomes of the objects of a family after so many days: they go, or to another storage class."""

    name: str
    family: str
    days: int
    storage_class: str | None = None


def keep_rules(*, cold_class: str | None, cold_after_days: int) -> list[KeepRule]:
    """Return our rules. Files of frames move only where somebody has said to which class: its name is the store's."""
    shown = [
        KeepRule(name=f"{_OURS}info-images", family=INFO_IMAGES, days=_SHOWN_DAYS),
        KeepRule(name=f"{_OURS}trials", family=TRIALS, days=_TRIAL_DAYS),
    ]
    if cold_class is None:
        return shown
    return [*shown, KeepRule(name=f"{_OURS}cold-data", family=DATA, days=cold_after_days, storage_class=cold_class)]


def apply_rules(client: Minio, bucket: str, rules: Sequence[KeepRule]) -> bool | None:
    """Have the bucket obey our rules; return whether that was a change, None if the store knows no rules.

    Raises `UsageError` for a storage class that the store does not have.
    """
    present = _rules_of(client, bucket)
    if present is None:
        return None
    others = [rule for rule in present if not (rule.rule_id or "").startswith(_OURS)]
    before = {_told(rule) for rule in present if rule not in others}
    after = [_as_rule(rule) for rule in rules]
    if before == {_told(rule) for rule in after}:
        return False
    try:
        client.set_bucket_lifecycle(bucket, LifecycleConfig([*others, *after]))
    except S3Error as error:
        if error.code != "InvalidStorageClass":
            raise
        named = ", ".join(sorted({rule.storage_class for rule in rules if rule.storage_class}))
        raise UsageError(
            f"the object store has no storage class {named}: make it there first (with MinIO: `mc ilm tier add`), or "
            "name none in DATALAB_S3_COLD_CLASS"
        ) from error
    return True


def _rules_of(client: Minio, bucket: str) -> list[Rule] | None:
    try:
        found = client.get_bucket_lifecycle(bucket)
    except (S3Error, InvalidResponseError) as error:
        if isinstance(error, S3Error) and error.code not in _NO_SUCH_THING:
            raise
        return None
    if found is None:
        return []
    # A configuration has a rule at least; what has none is a list of the bucket's objects: the question was lost on it.
    return found.rules or None


def _as_rule(rule: KeepRule) -> Rule:
    moves = rule.storage_class is not None
    return Rule(
        ENABLED,
        rule_filter=Filter(prefix=rule.family),
        rule_id=rule.name,
        expiration=None if moves else Expiration(days=rule.days),
        transition=Transition(days=rule.days, storage_class=rule.storage_class) if moves else None,
    )


def _told(rule: Rule) -> tuple[str | None, str | None, int | None, int | None, str | None]:
    expiration, transition = rule.expiration, rule.transition
    return (
        rule.rule_id,
        rule.rule_filter.prefix if rule.rule_filter else None,
        expiration.days if expiration else None,
        transition.days if transition else None,
        transition.storage_class if transition else None,
    )
