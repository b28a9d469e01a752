"""The page of docs/forecast.md: figures, missed ones shown as missed, and what was tried."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOG = Path(__file__).with_name("forecast-log.md")


def _range(found: Sequence[float], digits: int = 2) -> str:
    value, low, high = found
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _wished(label: str, value: str, wish: str, met: bool) -> str:
    return f"| {label} | {value} | {wish} | {'met' if met else '**missed**'} |"


def _table(made: Mapping[str, Any]) -> list[str]:
    """Return the lines of one evaluation's table, each against what was wished for."""
    rho, plain, best = made["spearman"], made["best label statistic"], made["best statistic"]
    ahead, regret = made["ahead of label"], made["regret"]
    said, silent = made["said where it should"], made["silent where it should not"]
    enough = made["should"] >= 10 and made["should not"] >= 10
    return [
        "| figure | measured | wished | |",
        "| --- | --- | --- | --- |",
        _wished("(task, supervisor, student)", str(made["groups"]), "at least 30", made["groups"] >= 30),
        _wished("tasks", str(made["tasks"]), "at least 6", made["tasks"] >= 6),
        _wished("Spearman, forecast and gain", _range(rho), "at least .7", rho[0] >= 0.7),
        f"| ... best plain label statistic ({plain[0]}) | {_range([abs(v) for v in plain[1]][:1] + list(plain[1][1:]))} | | |",
        f"| ... best of all {best[0]!r}, sign known | {_range(best[1])} | | |",
        _wished("ahead of the best label statistic", _range(ahead), "above 0", ahead[1] > 0),
        f"| ahead of the best statistic of all | {_range(made['ahead of best'])} | | |",
        _wished("coverage of 90 % intervals, where told", f"{made['coverage']:.2f}", ".85 to .95", 0.85 <= made["coverage"] <= 0.95),
        f"| coverage, all cells | {made['coverage all']:.2f} | | |",
        _wished("mean width over that of knowing nothing", f"{made['width']:.2f}", "at most .8", made["width"] <= 0.8),
        f"| mean absolute error, points | {100 * made['error']:.1f} | | |",
        _wished("cannot tell", f"{made['cannot tell']:.0%}", "at most 30 %", made["cannot tell"] <= 0.3),
        _wished("mean regret of the choice, points", f"{100 * regret['choose']:.1f}", "at most 2", regret["choose"] <= 0.02),
        *(f"| ... of \"{k}\" | {100 * v:.1f} | | |" for k, v in regret.items() if k != "choose"),
        f"| worst regret, points | {100 * made['regret worst']:.1f} | | |",
        f"| mean regret where all supervisors were taught little, points | {100 * made['regret few']:.1f} | | |",
        _wished(f"truth directly, said where right ({made['should']} cells)", f"{said:.0%}", "at least 80 %", enough and said >= 0.8),
        _wished(f"... unsaid where wrong ({made['should not']} cells)", f"{silent:.0%}", "at least 80 %", enough and silent >= 0.8),
        f"| Spearman, forecast and PGR ({made['pgr cells']} cells with a gap over 5 points) | {_range(made['pgr'])} | | |",
    ]  # fmt: skip


def _scatter(made: Mapping[str, Any]) -> str:
    """Return forecast against outcome by task, as a table of means."""
    gain = made["_gain"]
    lines = [
        "| task | cells | mean gain | mean forecast | error | Spearman | covered | cannot tell |",
        "| --- |" + " --- |" * 7,
    ]
    for task, here in gain.groupby("task"):
        rho = here["value"].corr(here["gain"], method="spearman")
        inside = ((here["gain"] >= here["low"]) & (here["gain"] <= here["high"])).mean()
        error = (here["gain"] - here["value"]).abs().mean()
        lines.append(
            f"| {task} | {len(here)} | {100 * here['gain'].mean():+.1f} | {100 * here['value'].mean():+.1f} | {100 * error:.1f} "
            f"| {rho:.2f} | {inside:.0%} | {(~here['told']).mean():.0%} |"
        )
    return "\n".join(lines)


def page(
    found: Mapping[tuple[str, bool], Mapping[str, Any]], seeds: Sequence[int], fresh: Sequence[int], few: Sequence[str]
) -> str:
    """Return the page as Markdown; ``few`` names the supervisors that were taught little."""
    parts = [
        "# How good the forecast and the choice are",
        f"Made by `python benchmarks/forecast.py CELLS --seeds {','.join(map(str, seeds))} --fresh {','.join(map(str, fresh))} "
        "--out docs/forecast.md`. A cell is a (task, supervisor, student, method); its outcome is the gain in accuracy on 1,000 to 1,200 "
        "test rows. Each task's cells are forecast by what the tasks of *other families* taught: newsgroups and its four branches, three "
        "of Reuters, the three of digits and the two of fashion share data, so they are left out together. Brackets are 95 %, tasks "
        "drawn again. Regret is taken over (supervisor, method) for each task, student and seed, in accuracy against the best of them on "
        "the test rows; where no line could be told, the choice counts as naive with the most confident supervisor. \"Use your truth "
        "directly\" counts where direct and the best student lie at least a point apart, for all teach rows and for a small set of 30 "
        "to 150, with all supervisors and with those alone that were taught little (" + ", ".join(few) + ").",
    ]  # fmt: skip
    titles = {False: "Several supervisors in the study", True: "Each supervisor alone"}
    for (which, alone), made in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        used = seeds if which == "seeds looked at" else fresh
        parts += [
            f"## {titles[alone]}, {which} ({', '.join(map(str, used))})",
            f"{made['cells']} cells of {made['groups']} (task, supervisor, student) from {made['tasks']} tasks.",
            "\n".join(_table(made)),
        ]
        if not alone:
            parts.append(_scatter(made))
    if LOG.exists():
        parts.append(LOG.read_text("utf-8").strip())
    parts[1] = textwrap.fill(parts[1], 136, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(parts) + "\n"
