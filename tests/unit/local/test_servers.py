"""How the servers of one machine are started."""

import pytest

from datalab.local.servers import mongo_cache_gb


@pytest.mark.parametrize(("memory_gb", "cache_gb"), [(1, "0.25"), (2, "0.25"), (8, "0.80"), (64, "6.40")])
def test_the_document_stores_cache_is_a_tenth_of_the_memory(memory_gb, cache_gb):
    assert mongo_cache_gb(memory_gb * 1024**3) == cache_gb
