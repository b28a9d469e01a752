"""One paper measured: its claims at the laptop's or at the paper's own scale, on the seeds of their verdicts or on others.

At scale "paper" a claim is measured by what the paper's file names for it in ``at_scale``: the same function with the paper's own sizes,
models and data. A claim without such a form is left out and said.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from outgrow.catalogue import claims, papers
from outgrow.errors import FetchError, InputError, MissingExtra, nearest
from outgrow.papers.cells import HubData
from outgrow.papers.claim import Claim
from outgrow.papers.page import measured_with
from outgrow.papers.paper import Paper
from outgrow.papers.verdicts import Record, judge_claims, older, published

__all__ = ["SCALES", "Reproduction", "claims_of", "find_paper", "folder_name", "inventory_papers", "reproduce_paper"]

SCALES = ("laptop", "paper")
VERDICTS = ("holds", "fails", "undecided")


@dataclass(frozen=True)
class Reproduction:
    """What came of one paper's claims.

    Parameters
    ----------
    paper : Paper
    scale : {"laptop", "paper"}
    quick : bool
        Small forms on few seeds: their verdicts are no evidence.
    records : tuple of dict
        As :func:`outgrow.papers.verdicts.record` makes them.
    left_out : tuple of str
        Names of claims that have no form at this scale.
    errors : tuple of str
        A sentence for each claim that could not be measured.
    seconds : float
        Wall seconds of this run; what was kept from an earlier one costs none.
    report : Path or None
        Where the report was written.
    """

    paper: Paper
    scale: str
    quick: bool
    records: tuple[Record, ...]
    left_out: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    seconds: float = 0.0
    report: Path | None = None

    def counts(self) -> dict[str, int]:
        """Return how many claims hold, fail, are undecided."""
        return {v: sum(r["verdict"] == v for r in self.records) for v in VERDICTS}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: paper, scale, claims (id, text, verdict, measured, expected), seconds, and what is missing."""
        return {
            "paper": self.paper.id,
            "scale": self.scale,
            "quick": self.quick,
            "claims": [_plain(r) for r in self.records],
            "left_out": list(self.left_out),
            "errors": list(self.errors),
            "seconds": round(self.seconds, 2),
            "report": None if self.report is None else str(self.report),
        }


def _plain(r: Record) -> dict[str, Any]:
    m = r["measurement"]
    measured = {k: m[k] for k in ("quantity", "estimate", "low", "high", "spread", "note")}
    measured |= {"figures": r["figures"], "seeds": r["seeds"], "decider": r["decider"], "cpu_seconds": r["cpu_seconds"]}
    expected = {"bound": r["bound"], **{k: m[k] for k in ("direction", "threshold", "decided_by")}}
    return {
        "id": r["name"],
        "text": r["statement"],
        "verdict": r["verdict"],
        "measured": measured,
        "expected": expected,
    }


def find_paper(name: str) -> Paper:
    """Return a paper by its id, or another name that leads to it.

    Raises
    ------
    InputError
        Names the nearest there is.
    """
    for paper in papers().values():
        if name in paper.names:
            return paper
    raise InputError(f"there is no paper {name!r} with claims{nearest(name, papers())}")


def claims_of(paper: Paper) -> list[Claim]:
    """Return a paper's claims in the order of the catalogue."""
    return [c for c in claims().values() if c.paper in paper.names]


def reproduce_paper(
    name: str,
    folder: Path | None,
    *,
    scale: str = "laptop",
    seed: int | None = None,
    quick: bool = False,
    again: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> Reproduction:
    """Measure the claims of one paper; each is kept at once, so that a stopped run goes on where it was.

    Parameters
    ----------
    name : str
        Id of a paper.
    folder : Path or None
        Holds ``claims.json`` with every claim's figures; None keeps nothing.
    scale : {"laptop", "paper"}
    seed : int, optional
        Measure on as many seeds from this one on, in place of those of the verdicts.
    quick : bool
        Small forms on few seeds; only at the laptop's scale.
    again : bool
        Measure also what the folder holds.

    Raises
    ------
    InputError
        For an unknown paper or scale, a seed that a claim was developed on, or a paper without any form at its own scale.
    FetchError, MissingExtra
        When models or data of the paper's scale cannot be had.
    """
    began = time.perf_counter()
    paper = find_paper(name)
    if scale not in SCALES:
        raise InputError(f"--scale is laptop or paper, not {scale!r}")
    if quick and scale == "paper":
        raise InputError("--quick is for the laptop's scale; leave out one of --quick and --scale paper")
    wanted, left_out = _at_scale(paper, scale)
    if seed is not None:
        wanted = [_moved(c, seed) for c in wanted]
    if scale == "paper":
        say(_announce(paper, wanted))
    for one in left_out:
        say(f"left out: {one} has no form at the paper's scale")
    stop = (FetchError, MissingExtra) if scale == "paper" else ()
    done, errors = judge_claims(wanted, folder, None, quick=quick, again=again, stop=stop, say=say)
    return Reproduction(paper, scale, quick, tuple(done), tuple(left_out), tuple(errors), time.perf_counter() - began)


def _at_scale(paper: Paper, scale: str) -> tuple[list[Claim], list[str]]:
    mine = claims_of(paper)
    if scale == "laptop":
        return mine, []
    wanted = [replace(c, measure=paper.at_scale[c.name]) for c in mine if c.name in paper.at_scale]
    if not wanted:
        reads = ", ".join((*paper.models, *paper.data))
        why = f": {paper.no_scale.rstrip('.')}" if paper.no_scale else f" (models and data: {reads})" if reads else ""
        raise InputError(f"no claim of {paper.id} has a form at the paper's scale{why}; use --scale laptop")
    # What reads the Hub comes first, so that a missing network is said before any work.
    wanted.sort(key=lambda claim: not _reads_hub(claim.measure))
    return wanted, [c.name for c in mine if c.name not in paper.at_scale]


def _reads_hub(value: Any) -> bool:
    if isinstance(value, HubData):
        return True
    if isinstance(value, partial):
        return _reads_hub((*value.args, *value.keywords.values()))
    if isinstance(value, tuple | list):
        return any(_reads_hub(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return any(_reads_hub(getattr(value, f.name)) for f in fields(value))
    return False


def _moved(claim: Claim, seed: int) -> Claim:
    if seed < 0:
        raise InputError(f"--seed is 0 or more, not {seed}")
    seeds = range(seed, seed + len(claim.seeds))
    met = sorted(set(seeds) & set(claim.looked))
    if met:
        raise InputError(
            f"--seed {seed} gives claim {claim.name!r} seeds {seed} to {seeds[-1]}, and it was developed on seed {met[0]}; "
            f"take {max(claim.looked) + 1} or more"
        )
    return replace(claim, seeds=seeds)


def _announce(paper: Paper, wanted: Sequence[Claim]) -> str:
    reads = ", ".join((*paper.models, *paper.data))
    what = f"reads {reads} from the Hub" if reads else "reads no model and no data"
    words = f"{paper.id} at the paper's scale {what}; {len(wanted)} claims, which may take hours"
    return f"{words}. {paper.no_scale}" if paper.no_scale else words


def folder_name(paper: Paper, scale: str, seed: int | None, quick: bool) -> str:
    """Name the folder of a reproduction: each form has its own, so that none overwrites another's report."""
    parts = [paper.id, *(["paper-scale"] if scale == "paper" else []), *([f"seed-{seed}"] if seed is not None else [])]
    return re.sub(r"[^\w.-]", "_", "-".join([*parts, *(["quick"] if quick else [])]))


def inventory_papers() -> list[dict[str, Any]]:
    """List the papers with claims.

    Returns
    -------
    list of dict
        id, title, citation, arxiv, claims (number), holds, fails, undecided, unmeasured (numbers, of the verdicts of the documentation),
        older (how many of these verdicts are of other code than there is now), measured_with (the versions or commits they are of), seconds
        (CPU, measured where there is a verdict, else expected), at_scale (number of claims with a form at the paper's own scale), and
        no_scale (why others have none).
    """
    held = published()
    stale = set(older(held, claims()))
    lines = []
    for paper in papers().values():
        mine = claims_of(paper)
        known = [held[c.name] for c in mine if c.name in held]
        verdicts = {v: sum(r["verdict"] == v for r in known) for v in VERDICTS}
        seconds = sum(float(held[c.name]["cpu_seconds"]) if c.name in held else c.cost for c in mine)
        lines.append(
            {
                **{k: getattr(paper, k) for k in ("id", "title", "citation", "arxiv")},
                "claims": len(mine),
                **verdicts,
                "unmeasured": len(mine) - len(known),
                "older": sum(c.name in stale for c in mine),
                "measured_with": sorted({measured_with(r) for r in known} - {""}),
                "seconds": math.ceil(seconds),
                "at_scale": sum(c.name in paper.at_scale for c in mine),
                "no_scale": paper.no_scale,
            }
        )
    return lines
