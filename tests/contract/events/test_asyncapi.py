"""The AsyncAPI document is what it says it is, and changes only on purpose."""

from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from datalab.events.asyncapi import document
from datalab.events.topology import CONSUMERS, STREAMS, subject_matches
from support.goldens import check_golden


def test_document_is_as_promised(update_goldens):
    check_golden("asyncapi.json", document(), update=update_goldens)


def test_document_follows_the_standard():
    assert ApplicationSchema.model_validate(document()).info.title == "Datalab events"


def test_every_reference_leads_somewhere():
    content = document()

    def references(value):
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "$ref":
                    yield item
                else:
                    yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    found = list(references(content))
    assert found
    for reference in found:
        target = content
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_streams_do_not_overlap():
    subjects = [(stream.name, subject) for stream in STREAMS for subject in stream.subjects]
    for name, subject in subjects:
        concrete = subject.replace("*", "x").replace(">", "x")
        assert [other for other, pattern in subjects if subject_matches(pattern, concrete)] == [name]


def test_every_consumer_reads_a_declared_stream():
    streams = {stream.name: stream for stream in STREAMS}
    for consumer in CONSUMERS:
        covered = streams[consumer.stream].subjects
        for wanted in consumer.filter_subjects:
            concrete = wanted.replace("*", "x").replace(">", "x")
            assert any(subject_matches(pattern, concrete) for pattern in covered), (consumer.name, wanted)
