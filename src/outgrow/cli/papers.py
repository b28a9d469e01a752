"""Commands on what papers claim: list them, measure them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.printing import AsJson, print_json, say, show
from outgrow.errors import InputError

__all__ = ["claims", "papers", "reproduce"]


def claims(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Claims, methods or papers; see 'outgrow ls claims'. Default: all.", show_default=False),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="full, or quick: a small form on few seeds, whose verdicts are no evidence.")
    ] = "full",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of claims.json and claims.md; what they hold is not redone.")
    ] = Path("outgrow-runs/claims"),
    again: Annotated[bool, typer.Option("--again", help="Measure also what has a verdict from this code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what papers claim, and say what holds, fails, or is undecided."""
    from outgrow.papers.verdicts import FILES, judge

    if seeds not in FILES:
        raise InputError(f"--seeds is full or quick, not {seeds!r}")
    records, errors = judge(names or (), out, quick=seeds == "quick", again=again, say=say)
    page = (out / FILES[seeds][1]).absolute()
    if as_json:
        print_json({"claims": records, "errors": errors, "page": str(page) if page.exists() else None})
    else:
        import pandas as pd

        columns = ["subject", "statement", "bound", "figures", "verdict"]
        show(pd.DataFrame([{c: r[c] for c in columns} for r in records], columns=columns).astype(object), "claims")
        if records:
            print(f"\nclaims:  {page}")
    if errors:
        raise typer.Exit(1)


def papers(as_json: AsJson = False) -> None:
    """List the papers whose claims can be measured, with the verdicts that are known and the CPU seconds they take."""
    from outgrow.papers.reproduce import inventory_papers

    lines = inventory_papers()
    if as_json:
        print_json(lines)
        return
    import pandas as pd

    said = [
        {
            "id": p["id"],
            "paper": ", ".join(filter(None, (p["title"], p["citation"]))),
            "claims": p["claims"],
            "verdicts": ", ".join(f"{p[v]} {w}" for v, w in _VERDICTS.items() if p[v])
            + (f" ({p['older']} by older code)" if p["older"] else ""),
            "paper's scale": f"{p['at_scale']} of {p['claims']}" if p["at_scale"] else "none",
            "seconds": p["seconds"],
        }
        for p in lines
    ]
    show(pd.DataFrame(said).astype(object), "papers")
    print("\noutgrow reproduce ID measures one of them")


_VERDICTS = {"holds": "hold", "fails": "fail", "undecided": "undecided", "unmeasured": "not measured yet"}


def reproduce(
    paper: Annotated[str, typer.Argument(help="Id of a paper; see 'outgrow papers'.", show_default=False)],
    scale: Annotated[
        str, typer.Option(help="laptop: minutes; paper: the paper's own sizes, with its models and data from the Hub.")
    ] = "laptop",
    seed: Annotated[
        int | None,
        typer.Option(help="Measure on as many seeds from this one on, in place of those of the verdicts."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Small forms on few seeds, in under a minute; their verdicts are no evidence."),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure also what the folder holds.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. Default: outgrow-runs/reproduce/PAPER.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a paper claims, and write a report. A stopped run goes on where it was."""
    from outgrow.road import reproduce as whole_road

    found = whole_road(paper, scale=scale, seed=seed, quick=quick, again=again, out=out, say=say)
    if as_json:
        print_json(found.as_dict())
    else:
        import pandas as pd

        columns = ["name", "statement", "bound", "figures", "verdict"]
        table = pd.DataFrame([{c: r[c] for c in columns} for r in found.records], columns=columns)
        show(table.rename(columns={"name": "id", "statement": "claim"}).astype(object), found.paper.id)
        print(f"\nreport: {found.report}")
    if found.errors:
        raise typer.Exit(1)
