"""The wizard of the existing user interface: what it makes of an operation's description, and what it posts.

It knows nothing of operations but their descriptions. Rules are those of the contract, 2.2, 2.5 and 3.2.
"""

import copy
import math
import re
from collections import Counter

#: Input types the user interface can draw.
KNOWN_TYPES = {"fits", "source", "string", "int", "float", "select"}
#: Filters each colour of a colour picture is preselected by.
_COLOURS = {
    "red": ({"r": 255, "g": 0, "b": 0}, {"r", "rp", "ip", "h-alpha"}),
    "green": ({"r": 0, "g": 255, "b": 0}, {"v", "gp", "oiii"}),
    "blue": ({"r": 0, "g": 0, "b": 255}, {"b", "sii"}),
}
_EXAMPLE = re.compile(r"(?:for example|Example:|such as) (.+)$")


def opened(item):
    """Return an image as the user interface has it after its picture was shown: with a link only it understands."""
    return item | {"largeCachedUrl": "blob:http://localhost:5173/0b5f2f3e-8f1b-4d0e-a8b7-1f2f3e4d5c6b"}


def output_items(operation):
    """Return the outputs of an operation as the user interface offers them to the next one."""
    return [
        opened(output)
        | {
            "operation": operation["id"],
            "operationIndex": 1,
            "operationName": operation["name"],
            "operationInputData": copy.deepcopy(operation["input_data"]),
        }
        for output in operation["output"]["output_files"]
    ]


class Form:
    """The form of one operation, filled in as far as the user interface does by itself."""

    def __init__(self, description, images):
        self.description = description
        self.inputs = description["inputs"]
        unknown = {described["type"] for described in self.inputs.values()} - KNOWN_TYPES
        assert not unknown, f"{description['name']}: nobody can draw {unknown}"
        self.images = [opened(image) for image in images]
        self.values = {key: self._initial(described) for key, described in self.inputs.items()}

    @property
    def selects(self):
        """The inputs with choices, and these."""
        return {key: described["options"] for key, described in self.inputs.items() if described["type"] == "select"}

    def fill(self, **values):
        """Choose what a user chooses; images are given as session items, in lists."""
        for key, value in values.items():
            assert key in self.inputs, f"{self.description['name']} has no input {key}"
            if self.inputs[key]["type"] == "select":
                assert value in self.inputs[key]["options"]
            self.values[key] = [opened(item) for item in value] if self.inputs[key]["type"] == "fits" else value
        return self

    def drag(self, key, image):
        """Drop an image on an input: the last one has to go if there is no room."""
        chosen = self.values[key]
        if len(chosen) >= self.inputs[key]["maximum"]:
            chosen.pop()
        chosen.append(opened(image))

    def missing(self):
        """Return the inputs for which the button that starts the operation is not enabled yet."""
        return [key for key, value in self.values.items() if not self._complete(self.inputs[key], value)]

    def posted(self):
        """Return what is sent as `input_data`."""
        assert not self.missing(), f"{self.description['name']}: nobody can start it without {self.missing()}"
        return copy.deepcopy(self.values)

    def example(self, key):
        """Return the value the hint of an input suggests."""
        return _EXAMPLE.search(self.inputs[key]["description"])[1].rstrip(".")

    # --- what the user interface does --------------------------------------------------------------------------

    def _initial(self, described):
        if "default" in described:
            return described["default"]
        if described.get("color_picker"):
            return self._channels()
        if described["type"] == "fits":
            return self._preselected(described)
        if described["type"] == "source":
            return {}
        return described["options"][0] if described["type"] == "select" else None

    def _preselected(self, described):
        """All images of the most frequent filter that is allowed, however many; none where filters do not matter."""
        if not described.get("single_filter"):
            return []
        allowed = [image for image in self.images if image["filter"] in described["filter_options"]]
        if not allowed:
            return []
        ((most_frequent, _),) = Counter(image["filter"] for image in allowed).most_common(1)
        return [image for image in allowed if image["filter"] == most_frequent]

    def _channels(self):
        channels = []
        for colour, filters in _COLOURS.values():
            image = next((image for image in self.images if image["filter"].lower() in filters), {})
            channels.append(image | {"color": colour})
        return channels

    def _complete(self, described, value):
        if value is None or (value == "" and described.get("required")):
            return False
        if described["type"] == "source":
            return all(isinstance(value.get(key), float) and math.isfinite(value[key]) for key in ("ra", "dec"))
        return not isinstance(value, list) or len(value) >= described.get("minimum", 0)
