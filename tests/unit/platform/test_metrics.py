from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY

from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry, exposition


def test_two_applications_in_one_process_count_apart():
    first, second = create_registry(), create_registry()
    BusMetrics(first).redelivered("ingest-files")
    BusMetrics(second)
    sample = ("datalab_bus_redeliveries_total", {"consumer": "ingest-files"})
    assert first.get_sample_value(*sample) == 1.0
    assert second.get_sample_value(*sample) is None
    assert REGISTRY.get_sample_value(*sample) is None


def test_a_handled_message_is_counted_and_timed():
    registry = create_registry()
    metrics = BusMetrics(registry)
    metrics.handled("runner-slow", "done", 0.3)
    metrics.handled("runner-slow", "retry", 2.0)
    value = registry.get_sample_value
    assert value("datalab_bus_messages_handled_total", {"consumer": "runner-slow", "outcome": "done"}) == 1.0
    assert value("datalab_bus_messages_handled_total", {"consumer": "runner-slow", "outcome": "retry"}) == 1.0
    assert value("datalab_bus_handling_seconds_sum", {"consumer": "runner-slow"}) == 2.3
    assert value("datalab_bus_handling_seconds_bucket", {"consumer": "runner-slow", "le": "0.5"}) == 1.0


def counters(registry):
    """Return how many samples each counter with labels has."""
    return {
        metric.name: len([sample for sample in metric.samples if sample.name.endswith("_total")])
        for metric in registry.collect()
        if metric.type == "counter" and metric.name.startswith("datalab_bus")
    }


def test_whatever_can_be_counted_is_there_from_the_start():
    registry = create_registry()
    metrics = BusMetrics(registry)
    metrics.serves("file-ingest")
    value = registry.get_sample_value
    for name in ("redeliveries", "dead_letters", "refusals"):
        assert value(f"datalab_bus_{name}_total", {"consumer": "file-ingest"}) == 0.0
    for outcome in ("done", "retry", "unreadable", "fatal", "usage"):
        labels = {"consumer": "file-ingest", "outcome": outcome}
        assert value("datalab_bus_messages_handled_total", labels) == 0.0
    assert value("datalab_bus_publishes_total", {"stream": "DEAD", "duplicate": "false"}) == 0.0
    assert all(counters(registry).values())


def test_publishes_tell_duplicates_apart():
    registry = create_registry()
    metrics = BusMetrics(registry)
    for duplicate in (False, False, True):
        metrics.published("OPERATIONS", duplicate=duplicate)
    value = registry.get_sample_value
    assert value("datalab_bus_publishes_total", {"stream": "OPERATIONS", "duplicate": "false"}) == 2.0
    assert value("datalab_bus_publishes_total", {"stream": "OPERATIONS", "duplicate": "true"}) == 1.0


def test_an_empty_sweep_counts_as_a_sweep():
    registry = create_registry()
    metrics = OutboxMetrics(registry)
    metrics.swept(0)
    metrics.swept(3)
    metrics.relayed(10)
    value = registry.get_sample_value
    assert value("datalab_outbox_sweeps_total") == 2.0
    assert value("datalab_outbox_swept_events_total") == 3.0
    assert value("datalab_outbox_relayed_events_total") == 10.0


def test_the_exposition_is_text_with_the_process_in_it():
    body, content_type = exposition(create_registry())
    assert content_type == CONTENT_TYPE_LATEST
    assert b"# TYPE process_resident_memory_bytes gauge" in body
    assert b"python_info{" in body
