"""Sessions that are shared, for tests: made through the API once, then copied in the document store."""

import copy
import hashlib
import itertools

from datalab.events.operations import OperationResult, OutputFile, StoredFile

#: What the two outputs of an operation are made of; `{}` is the operation's own word.
IMAGE, PICTURE = "{}-image", "{}-picture"
_BYTES = b"SIMPLE  =                    T" + b" " * 2850


def result_of(word, *, inputs=("f1", "f2")):
    """Return the result of an operation: an image that is stored, and a picture."""
    image = StoredFile(
        key=f"results/{word}/image.fits",
        sha256=hashlib.sha256(_BYTES).hexdigest(),
        size_bytes=len(_BYTES),
        media_type="image/fits",
    )
    shown = image.model_copy(update={"key": f"results/{word}/image.jpg", "media_type": "image/jpeg"})
    return OperationResult(
        result_key=hashlib.sha256(word.encode()).hexdigest(),
        output_files=(
            OutputFile(
                basename=IMAGE.format(word),
                type="fits",
                files={"fits": image, "large": shown, "small": shown},
                filter_name="rp",
                inputs=inputs,
            ),
            OutputFile(basename=PICTURE.format(word), type="image", files={"large": shown, "tif": shown}),
        ),
    )


async def store_result(world, word):
    """Put the image of a result into the object store."""
    await world.core.objects.put_bytes(f"results/{word}/image.fits", _BYTES, content_type="image/fits")


class Copies:
    """Makes sessions like one there is, with operations like its own, each with a link of its own."""

    def __init__(self, world, session, operations):
        self._world = world
        self._session = session
        self._operations = operations
        self._numbers = itertools.count(10**6)

    @classmethod
    async def of(cls, world, session_id):
        session = await world.database["sessions"].find_one({"_id": session_id})
        operations = await world.database["operations"].find({"session_id": session_id}).sort("_id").to_list(None)
        return cls(world, session, operations)

    async def make(self):
        """Return the number of a new session, those of its operations, and a link to it."""
        number = next(self._numbers)
        link = f"link-to-{number}-that-nobody-guesses"
        hashed = {**(self._session["link"] or {}), "hash": hashlib.sha256(link.encode()).hexdigest()}
        session = {**copy.deepcopy(self._session), "_id": number, "link": hashed, "outbox": []}
        operations = [
            {
                **copy.deepcopy(each),
                "_id": next(self._numbers),
                "session_id": number,
                "outbox": [],
                "correlation_id": f"copy-{number}",
            }
            for each in self._operations
        ]
        await self._world.database["operations"].insert_many(operations)
        await self._world.database["sessions"].insert_one(session)
        return number, [each["_id"] for each in operations], link
