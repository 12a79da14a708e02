"""A record's data as JSON text or file, and back; what an older version of mpnb wrote is brought up to date."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = 1


def dump(data: dict[str, Any]) -> str:
    """Give a record's data as JSON text, in this version's schema."""
    return json.dumps({"schema": SCHEMA, **data}, separators=(",", ":"))


def parse(text: str) -> dict[str, Any]:
    """Read a record's data, of this or an older schema."""
    data = json.loads(text)
    if not isinstance(data, dict) or type(data.get("schema")) is not int:
        raise ValueError("this is not a run record of mpnb: it has no schema")
    if data["schema"] > SCHEMA:
        raise ValueError(f"a record of schema {data['schema']}: this mpnb reads up to {SCHEMA}; upgrade it")
    return data


def write(path: Path, text: str) -> None:
    """Write a file; whoever reads it sees the old one or the new one, never half of it."""
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
