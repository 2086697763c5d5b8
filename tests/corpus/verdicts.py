"""One file of the corpus through all our readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from corpus.judging import Finding, findings, unlike
from corpus.model import File
from corpus.readings import read_by_ingest, read_by_runner, read_header_alone


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is amiss with our readings of a file: each finding with who read, and in what readers do not agree."""

    name: str
    findings: tuple[tuple[str, Finding], ...]
    unlike: tuple[str, ...]
    is_refused: bool
    is_noted: bool

    @property
    def is_right(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.findings or self.unlike)

    def __str__(self) -> str:
        lines = [f"{reader}: {finding}" for reader, finding in self.findings]
        lines += [f"the readers differ: {what}" for what in self.unlike]
        return f"{self.name}: " + "; ".join(lines)


def verdict(file: File, folder: Path) -> Verdict:
    """Read a file by ingest, by the runner, and its header alone where that says the same."""
    content = file.build()
    path = folder / file.name
    path.write_bytes(content)
    ingested = read_by_ingest(path, file.compression)
    found = [("ingest", each) for each in findings(file.right, ingested)]
    differing: list[str] = []
    if file.for_the_runner:
        work_dir = folder / "work"
        work_dir.mkdir(exist_ok=True)
        run = read_by_runner(path, work_dir)
        found += [("runner", each) for each in findings(file.right, run)]
        differing = unlike(ingested, run)
    path.unlink()
    if file.also_as_text:
        alone = read_header_alone(content)
        found += [("header text", each) for each in findings(file.right, alone)]
    return Verdict(
        name=file.name,
        findings=tuple(found),
        unlike=tuple(differing),
        is_refused=ingested.refusal is not None,
        is_noted=bool(ingested.notes),
    )
