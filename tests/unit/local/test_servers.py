"""How the servers of one machine are started."""

import pytest

from datalab.local.servers import mongo_cache_gb


@pytest.mark.parametrize(("memory_gb", "cache_gb"), [(0.5, "0.25"), (1, "0.25"), (8, "2.00"), (64, "16.00")])
def test_the_document_stores_cache_is_a_quarter_of_the_memory(memory_gb, cache_gb):
    assert mongo_cache_gb(int(memory_gb * 1024**3)) == cache_gb
