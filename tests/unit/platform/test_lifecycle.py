"""What the object store is asked to do by itself, and how it is found out whether it can."""

import pytest
from minio.commonconfig import ENABLED, Filter
from minio.error import InvalidResponseError, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.xml import marshal, unmarshal
from urllib3 import HTTPResponse

from datalab.errors import UsageError
from datalab.platform.objects.lifecycle import apply_rules, keep_rules


class Store:
    """A bucket's rules; `refusal` is what the question for them is answered with."""

    def __init__(self, rules=None, *, refusal=None):
        self.rules = rules
        self.refusal = refusal
        self.writes = 0

    def get_bucket_lifecycle(self, bucket):
        if self.refusal is not None:
            raise self.refusal
        return None if self.rules is None else LifecycleConfig(self.rules)

    def set_bucket_lifecycle(self, bucket, config):
        self.rules = unmarshal(LifecycleConfig, marshal(config).decode()).rules  # as a store tells them again
        self.writes += 1


def s3_error(code):
    return S3Error(HTTPResponse(status=400), code, "m", "r", "i", "h")


WARM, COLD = keep_rules(cold_class=None, cold_after_days=30), keep_rules(cold_class="STANDARD_IA", cold_after_days=30)


def test_without_a_class_nothing_of_a_frame_is_moved_and_nothing_ever_deleted():
    assert {rule.family for rule in WARM} == {"info-images/", "test/"}
    assert [(rule.family, rule.days, rule.storage_class) for rule in COLD[2:]] == [("data/", 30, "STANDARD_IA")]


def test_rules_are_written_once_and_again_when_they_change():
    store = Store()
    assert [apply_rules(store, "b", rules) for rules in (WARM, WARM, COLD, COLD)] == [True, False, True, False]
    assert store.writes == 2
    told = {rule.rule_id: rule for rule in store.rules}
    assert told["datalab-info-images"].rule_filter.prefix == "info-images/"
    assert told["datalab-info-images"].expiration.days == 5
    assert (told["datalab-cold-data"].transition.days, told["datalab-cold-data"].transition.storage_class) == (
        30,
        "STANDARD_IA",
    )
    assert told["datalab-cold-data"].expiration is None


def test_rules_of_others_stay():
    theirs = Rule(ENABLED, rule_filter=Filter(prefix="x/"), rule_id="theirs", expiration=Expiration(days=1))
    stale = Rule(ENABLED, rule_filter=Filter(prefix="y/"), rule_id="datalab-y", expiration=Expiration(days=1))
    store = Store([theirs, stale])
    assert apply_rules(store, "b", WARM)
    assert [rule.rule_id for rule in store.rules] == ["theirs", "datalab-info-images", "datalab-trials"]


@pytest.mark.parametrize(
    "store",
    [
        Store(refusal=s3_error("NotImplemented")),
        Store(refusal=InvalidResponseError(501, "text/xml", "")),
        Store([]),  # the question was taken for one for the objects, and those are no rules
    ],
)
def test_a_store_that_knows_no_rules_is_asked_for_nothing(store):
    assert apply_rules(store, "b", WARM) is None
    assert store.writes == 0


def test_a_store_that_refuses_us_is_no_store_without_rules():
    with pytest.raises(S3Error):
        apply_rules(Store(refusal=s3_error("AccessDenied")), "b", WARM)


def test_a_class_the_store_does_not_have_is_named():
    class WithoutTiers(Store):
        def set_bucket_lifecycle(self, bucket, config):
            raise s3_error("InvalidStorageClass")

    with pytest.raises(UsageError, match=r"no storage class STANDARD_IA.*DATALAB_S3_COLD_CLASS"):
        apply_rules(WithoutTiers(), "b", COLD)
