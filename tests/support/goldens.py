"""Golden files: what was once promised, kept word for word."""

import json
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def check_golden(name, content, *, update):
    """Compare JSON-able content with tests/data/<name>, or write it anew when `update` is set."""
    path = DATA / name
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing: run `make goldens` and read the diff"
    assert json.loads(text) == json.loads(path.read_text(encoding="utf-8")), f"{path.name} no longer holds"
