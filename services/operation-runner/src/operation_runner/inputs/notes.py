"""What is noted on the input images that were opened, in whichever process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class NotedImage(Protocol):
    """What is asked of an image."""

    basename: str

    @property
    def notes(self) -> Sequence[str]: ...


class InputNotes:
    """Notes by image. An image is asked for them at last, when it has been read: then there may be more."""

    def __init__(self) -> None:
        self._images: list[NotedImage] = []
        self._learned: dict[str, Sequence[str]] = {}

    def __len__(self) -> int:
        """Return how many images were opened in this process."""
        return len(self._images)

    def add(self, image: NotedImage) -> None:
        """Remember an image that was opened."""
        self._images.append(image)

    def since(self, number: int) -> Mapping[str, Sequence[str]]:
        """Return the notes on the images after the first `number`, by name, and forget these images."""
        noted = _by_name(self._images[number:])
        self.learn(noted)
        del self._images[number:]
        return noted

    def learn(self, noted: Mapping[str, Sequence[str]]) -> None:
        """Take over what another process has noted, or this one of images it has done with."""
        for name, notes in noted.items():
            self._learned[name] = tuple(dict.fromkeys((*self._learned.get(name, ()), *notes)))

    def of(self, names: Collection[str] | None) -> Sequence[str]:
        """Return the notes on the images of some names, or on all, each after the name of its image."""
        opened = _by_name(self._images)
        known = dict.fromkeys((*self._learned, *opened))
        chosen = known if names is None else [name for name in names if name in known]
        noted = ((name, note) for name in chosen for note in (*self._learned.get(name, ()), *opened.get(name, ())))
        return list(dict.fromkeys(f"{name}: {note}" for name, note in noted))


def _by_name(images: Sequence[NotedImage]) -> Mapping[str, Sequence[str]]:
    """Return the notes on images; several planes of one file are of one name."""
    noted: dict[str, tuple[str, ...]] = {}
    for image in images:
        noted[image.basename] = tuple(dict.fromkeys((*noted.get(image.basename, ()), *image.notes)))
    return noted
