"""The drivers of the document store: the one in use, and the one that follows it."""

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient


@pytest.fixture(params=[AsyncIOMotorClient, AsyncMongoClient], ids=["motor", "pymongo"])
def document_driver(request):
    return request.param
