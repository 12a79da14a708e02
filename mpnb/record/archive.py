"""A record's data as JSON text or file, and back; what an older version of mpnb wrote is brought up to date."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mpnb.record.books import USEFUL

SCHEMA: Final = 2


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
    for schema in range(data["schema"], SCHEMA):
        _UPGRADES[schema](data)
    return data


def _upgrade_1(data: dict[str, Any]) -> None:
    """It knew the losses of the pool's part only, not their causes, nor the times of iterations."""
    for site in data["sites"]:
        site["parts"] = site.pop("lost", {})
        site["core_job_s"] = sum(site["parts"].values())
        site["pool_s"] = site["parts"].get(USEFUL, 0.0)


_UPGRADES: Final[dict[int, Callable[[dict[str, Any]], None]]] = {1: _upgrade_1}  # from this schema to the next


def write(path: Path, text: str) -> None:
    """Write a file; whoever reads it sees the old one or the new one, never half of it."""
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
