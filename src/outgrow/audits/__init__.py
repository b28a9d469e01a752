"""Checks on a finished student: one check, one file."""

from typing import Any

from outgrow.catalogue import catalogue, public


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name.islower():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return public("audits", name)


def __dir__() -> list[str]:
    return sorted(c.__name__ for c in catalogue("audits").values())
