"""Results are remembered, but not as long as it takes one to expire."""

from datalab.events.operations import OperationResult
from datalab.platform.objects.errors import ObjectNotFoundError
from operation_runner.results.store import ObjectResultStore

KEY = "a" * 64


class Objects:
    """Holds one manifest, and counts how often it is read."""

    def __init__(self):
        result = OperationResult(result_key=KEY, output_files=(), output_data=())
        self.manifest = (
            f'{{"result": {result.model_dump_json()}, "operation": "Median", "parameters": {{}}, "inputs": [],'
            ' "software_version": "0.1.0", "created_at": "2026-11-29T00:00:00Z", "compute_s": 1.0}'
        )
        self.reads = 0

    async def get_bytes(self, key, *, max_bytes):
        self.reads += 1
        if self.manifest is None:
            raise ObjectNotFoundError(key)
        return self.manifest.encode()


async def test_a_result_is_read_again_after_a_minute():
    objects, now = Objects(), [0.0]
    results = ObjectResultStore(objects, clock=lambda: now[0])
    for _ in range(3):
        assert (await results.find(KEY)).result_key == KEY
    assert objects.reads == 1
    now[0] = 61.0
    objects.manifest = None  # it has expired, or somebody has deleted it
    assert await results.find(KEY) is None
    assert objects.reads == 2


async def test_a_damaged_manifest_makes_no_result_so_that_it_can_be_made_anew():
    objects = Objects()
    whole = objects.manifest
    for damaged in (whole[:50], "", "\0" * len(whole)):
        objects.manifest = damaged
        assert await ObjectResultStore(objects).find(KEY) is None
