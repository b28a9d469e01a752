"""How good are the forecast and the choice that see no truth? Learn them on all tasks but one, look at the one that was left out.

    python benchmarks/forecast_cells.py CELLS --seeds 0,100
    python benchmarks/forecast.py CELLS --seeds 0 --fit            # writes src/outgrow/forecasts/combined.json
    python benchmarks/forecast.py CELLS --seeds 0 --fresh 100 --out docs/forecast.md

Families of tasks that share data are left out together. Learning, interval and the choice of statistics see the first seeds only; the fresh
seeds are the same tasks with other rows, supervisors and students.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from forecast_cells import SETTINGS
from scipy.stats import spearmanr

from outgrow.forecasts import combined as module
from outgrow.forecasts.combined import LEVEL, Combined, fit
from outgrow.forecasts.crossfit import CrossFit
from outgrow.forecasts.forecast import FEWEST
from outgrow.forecasts.statistics import STATISTICS, Witness, statistics
from outgrow.studies.advise import lost, verdict
from outgrow.tasks.labels import WeakLabels

METHODS = ("naive", "recipe", "confidence")
PARTS = ("ids", "oof", "apart", "repaired", "separation")
# What a forecast may read; the order is of no consequence. Chosen on the first seeds, see the log in docs/forecast.md.
ALONE = ("departure", "changed", "changed repaired", "repaired gain")
TOGETHER = ("supervisors gain", "blind gain")
READS: dict[str, tuple[str, ...]] = {
    "gain": TOGETHER,
    "gain alone": ALONE,
    "pgr": TOGETHER,
    "pgr alone": ALONE,
    "rank": ("consensus score",),
    "rank alone": ("repaired accuracy", "changed repaired"),
}
LABEL = (
    "confidence",
    "entropy",
    "disagreement",
    "witness agreement",
    "imbalance",
    "misfit",
    "unsure disagreement",
    "sure disagreement",
)
"""The plain label statistics: the baseline a forecast must beat."""
GAP = 0.05
CLEAR = 0.01
FEW = ("bayes", "nearest", "probe small", "vader", "words")
"""A second study of the same rows: the supervisors that were taught little or nothing, where truth used directly has more to win."""


def cells(path: Path, alone: bool = False, only: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return one line a supervisor, student and method of one file: its statistics, and beside them what became of it.

    ``only`` names the supervisors of the study; the others do not exist for it.
    """
    with np.load(path) as held:
        d = {k: held[k] for k in held.files}
    name, seed = path.stem.rsplit("_", 1)
    truth, test, transfer, teach = d["truth"], d["role:test"], d["role:transfer"], d["role:teach"]
    weak = {}
    for key in [k[5:] for k in d if k.startswith("weak:") and (only is None or k[5:] in only)]:
        probs = d[f"weak:{key}"].astype(np.float64)
        weak[key] = WeakLabels.from_probs(
            probs / probs.sum(1, keepdims=True), d["classes"], covered=d[f"covered:{key}"], source=key
        )

    def accuracy(answers: Any, rows: Any) -> float:
        return float((answers[rows].argmax(1) == truth[rows]).mean())

    lines = []
    for j in sorted(k[5:] for k in d if k.startswith("view:")):
        crossed = {
            s: CrossFit.from_arrays({p: d[f"cross {p}:{s}:{j}"] for p in PARTS}) for s in weak if f"naive:{s}:{j}" in d
        }
        for s, mine in crossed.items():
            if len(mine.ids) < FEWEST:
                # The forecast refuses so few rows.
                continue
            table = weak[s].at(transfer)
            floor = float((weak[s].at(test).one(table.prior())[0].argmax(1) == truth[test]).mean())
            others = [] if alone else [Witness(weak[o].at(transfer), crossed.get(o)) for o in weak if o != s]
            naive = d[f"naive:{s}:{j}"].astype(np.float64)
            for method in METHODS:
                if f"{method}:{s}:{j}" not in d:
                    continue
                answers = d[f"{method}:{s}:{j}"].astype(np.float64)
                seen = statistics(mine, table, answers=answers[mine.ids], naive=naive[mine.ids], others=others)
                line: dict[str, Any] = {"task": name, "family": SETTINGS[name].family, "seed": int(seed)}
                line |= {"supervisor": s, "student": str(d[f"view:{j}"]), "method": method, "floor": floor}
                line |= {"score": accuracy(answers, test), "ceiling": accuracy(d[f"ceiling:{j}"], test)}
                for what, rows in (("direct", teach), ("direct small", d["small"])):
                    line[what] = accuracy(d[f"{what}:{j}"], test)
                    taught, right = d[f"cv {what}:{j}"], d[f"cv {what}:{j}"].argmax(1) == truth[rows]
                    less = lost(taught, d[f"{what}:{j}"][transfer])
                    low, high, wins = verdict(right, answers[rows].argmax(1) == truth[rows], less)
                    line |= {f"{what} low": low, f"{what} high": high, f"{what} wins": wins, f"{what} rows": len(rows)}
                line |= {"gain": line["score"] - floor, "gap": line["ceiling"] - floor, "statistics": seen}
                lines.append(line)
    return lines


def load(folder: Path, seeds: Sequence[int], alone: bool = False, only: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the cells of all tasks and these seeds."""
    lines = [c for s in seeds for f in sorted(folder.glob(f"*_{s}.npz")) for c in cells(f, alone, only)]
    frame = pd.DataFrame(lines)
    frame["pgr"] = (frame["gain"] / frame["gap"]).where(frame["gap"] > GAP).clip(-2, 2)
    frame["rank"] = frame["score"] - frame.groupby(["task", "seed"])["score"].transform("mean")
    return frame


def learn(frame: pd.DataFrame, name: str) -> Combined:
    """Fit one forecast on all cells given."""
    target = name.partition(" ")[0]
    there = frame[frame[target].notna()]
    return fit(
        there["statistics"].tolist(),
        there[target].to_numpy(),
        there["family"].tolist(),
        name=name,
        features=READS[name],
    )


def left_out(first: pd.DataFrame, seen: pd.DataFrame, name: str) -> pd.DataFrame:
    """Forecast the cells of ``seen``, each by what the families other than its own taught in ``first``."""
    made = []
    for family in seen["family"].unique():
        model = learn(first[first["family"] != family], name)
        here = seen[seen["family"] == family]
        told = [model.expect(s) for s in here["statistics"]]
        out = here.drop(columns="statistics").assign(value=[e.value for e in told], low=[e.low for e in told])
        out = out.assign(high=[e.high for e in told], told=[e.told for e in told], why=[e.why for e in told])
        made.append(out.assign(nothing_low=model.nothing[0], nothing_high=model.nothing[1]))
    return pd.concat(made).sort_index()


def equal_spearman(frame: pd.DataFrame, value: str, target: str) -> float:
    """Return Spearman's correlation over all cells."""
    there = frame[[value, target]].dropna()
    return float(spearmanr(there[value], there[target]).statistic) if len(there) > 2 else float("nan")


def over_tasks(
    frame: pd.DataFrame, figure: Callable[[pd.DataFrame], float], repeats: int = 300
) -> tuple[float, float, float]:
    """Return a figure with its 95 % interval, tasks being drawn again."""
    random, tasks = np.random.default_rng(0), sorted(frame["task"].unique())
    by = {t: frame[frame["task"] == t] for t in tasks}
    drawn = [
        figure(pd.concat([by[t] for t in random.choice(tasks, len(tasks))], ignore_index=True)) for _ in range(repeats)
    ]
    return figure(frame), float(np.nanquantile(drawn, 0.025)), float(np.nanquantile(drawn, 0.975))


def singles(frame: pd.DataFrame, names: Sequence[str] = tuple(STATISTICS)) -> pd.Series:
    """Return the absolute Spearman correlation of each statistic with the gain, its sign being known."""
    flat = pd.DataFrame(frame["statistics"].tolist(), index=frame.index)
    found = {
        s: equal_spearman(pd.DataFrame({"x": flat[s], "y": frame["gain"]}), "x", "y")
        for s in names
        if flat[s].nunique() > 3
    }
    return pd.Series(found).sort_values(key=np.abs, ascending=False)


def regrets(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return, for each task, seed and student, the regret of the choice and of the simple rules, in accuracy."""
    lines = []
    for (task, seed, student), here in ranked.groupby(["task", "seed", "student"]):
        best = here["score"].max()
        naive = here[here["method"] == "naive"]
        confident = naive.loc[naive["confidence"].idxmax()]
        chosen = here.loc[here["value"].idxmax()] if here["answered"].any() else confident
        if here["answered"].any():
            chosen = here[here["answered"]].loc[here[here["answered"]]["value"].idxmax()]
        lines.append(
            {
                "task": task, "seed": seed, "student": student, "best": best, "options": len(here),
                "choose": best - chosen["score"], "most confident supervisor, naive": best - confident["score"],
                "highest witness agreement, naive": best - naive.loc[naive["agreement"].idxmax()]["score"],
                "naive everywhere": best - naive["score"].mean(), "random": best - here["score"].mean(),
                "chosen": f"{chosen['supervisor']}, {chosen['method']}", "chosen score": chosen["score"],
                **{k: chosen[k] for k in chosen.index if str(k).startswith("direct")},
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def direct_calls(choice: pd.DataFrame) -> pd.DataFrame:
    """Return whether "use your truth directly" was said and should have been, for the large and the small teach set."""
    lines = []
    for line in choice.to_dict("records"):
        for what in ("direct", "direct small"):
            ahead = line[what] - line["best"]
            should = None if abs(ahead) < CLEAR else ahead > 0
            lines.append(
                {"task": line["task"], "student": line["student"], "rows": line[f"{what} rows"], "ahead": ahead}
            )
            lines[-1] |= {"should": should, "said": bool(line[f"{what} wins"])}
    return pd.DataFrame(lines)


def _mean(values: Any, weight: Any) -> float:
    return float(np.average(values, weights=weight)) if len(weight) else float("nan")


def ranked(first: pd.DataFrame, seen: pd.DataFrame, told: pd.Series, tail: str = "") -> pd.DataFrame:
    """Return the lines with what orders them, what the simple rules read, and whether the gain could be told."""
    flat = pd.DataFrame(seen["statistics"].tolist(), index=seen.index)
    return left_out(first, seen, f"rank{tail}").assign(
        confidence=flat["confidence"], agreement=flat["witness agreement"].fillna(0), answered=told
    )


def figures(
    first: pd.DataFrame, seen: pd.DataFrame, alone: bool = False, few: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return all figures of one evaluation; ``few`` are the same tasks as studies of supervisors that were taught little."""
    tail = " alone" if alone else ""
    gain = left_out(first, seen, f"gain{tail}")
    flat = pd.DataFrame(seen["statistics"].tolist(), index=seen.index)
    order = singles(first)
    plain = next(s for s in order.index if s in LABEL)
    table = gain.assign(**{s: np.sign(order[s]) * flat[s] for s in (order.index[0], plain)})

    def ahead(of: str) -> Callable[[pd.DataFrame], float]:
        return lambda f: equal_spearman(f, "value", "gain") - equal_spearman(f, of, "gain")

    told = gain[gain["told"]]
    weight = (1 / gain.groupby("task")["gain"].transform("size")).to_numpy()
    inside = ((gain["gain"] >= gain["low"]) & (gain["gain"] <= gain["high"])).to_numpy()
    width, nothing = (gain["high"] - gain["low"]).to_numpy(), (gain["nothing_high"] - gain["nothing_low"]).to_numpy()
    yes = gain["told"].to_numpy()
    choice = regrets(ranked(first, seen, gain["told"], tail))
    calls = direct_calls(choice)
    poor = None if few is None else regrets(ranked(first, few, left_out(first, few, f"gain{tail}")["told"], tail))
    if poor is not None:
        calls = pd.concat([calls, direct_calls(poor)], ignore_index=True)
    clear = calls[calls["should"].notna()]
    pgr = left_out(first[first["pgr"].notna()], seen[seen["pgr"].notna()], f"pgr{tail}")
    return {
        "cells": len(gain), "groups": len(gain.groupby(["task", "supervisor", "student"])), "tasks": gain["task"].nunique(),
        "spearman": over_tasks(gain, lambda f: equal_spearman(f, "value", "gain")),
        "spearman told": over_tasks(told, lambda f: equal_spearman(f, "value", "gain")),
        "best label statistic": (plain, over_tasks(table, lambda f: equal_spearman(f, plain, "gain"))),
        "best statistic": (order.index[0], over_tasks(table, lambda f: equal_spearman(f, order.index[0], "gain"))),
        "ahead of label": over_tasks(table, ahead(plain)), "ahead of best": over_tasks(table, ahead(order.index[0])),
        "coverage": _mean(inside[yes], weight[yes]), "coverage all": _mean(inside, weight),
        "width": _mean((width / nothing)[yes], weight[yes]),
        "error": _mean(np.abs(gain["value"] - gain["gain"])[yes], weight[yes]),
        "cannot tell": _mean(~yes, weight),
        "pgr": over_tasks(pgr, lambda f: equal_spearman(f, "value", "pgr")), "pgr cells": len(pgr),
        "regret": {k: float(choice[k].mean()) for k in choice.columns if k in (
            "choose", "most confident supervisor, naive", "highest witness agreement, naive", "naive everywhere", "random")},
        "regret worst": float(choice["choose"].max()),
        "regret few": None if poor is None else float(poor["choose"].mean()),
        "should": int((clear["should"] == True).sum()), "should not": int((clear["should"] == False).sum()),  # noqa: E712
        "said where it should": float(clear[clear["should"] == True]["said"].mean()),  # noqa: E712
        "silent where it should not": float((~clear[clear["should"] == False]["said"].astype(bool)).mean()),  # noqa: E712
        "_gain": gain, "_choice": choice, "_calls": calls,
    }  # fmt: skip


def write_file(folder: Path, seeds: Sequence[int]) -> None:
    """Fit all forecasts on these seeds and write the package's file."""
    frames = {tail: load(folder, seeds, bool(tail)) for tail in ("", " alone")}
    made = {name: learn(frames[" alone" if "alone" in name else ""], name).as_dict() for name in READS}
    frame = frames[""]
    about = {
        "made by": f"python benchmarks/forecast.py CELLS --seeds {','.join(map(str, seeds))} --fit",
        "tasks": sorted(frame["task"].unique()), "seeds": list(seeds), "cells": len(frame), "level": LEVEL,
        "methods": list(METHODS), "supervisors": sorted(frame["supervisor"].unique()),
    }  # fmt: skip

    def short(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: short(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [short(v) for v in value]
        return float(f"{value:.6g}") if isinstance(value, float) else value

    text = json.dumps({"about": about, "forecasts": short(made)}, indent=1)
    module.FILE.write_text(text + "\n", "utf-8")


def main() -> None:
    """Fit, or evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0])
    parser.add_argument("--fresh", type=lambda text: [int(s) for s in text.split(",")], default=None)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.fit:
        write_file(given.folder, given.seeds)
        return
    found = {}
    for alone in (False, True):
        first = load(given.folder, given.seeds, alone)
        for which, seeds in {"seeds looked at": given.seeds, "fresh seeds": given.fresh or []}.items():
            if seeds:
                seen = first if seeds == given.seeds else load(given.folder, seeds, alone)
                found[which, alone] = figures(first, seen, alone, load(given.folder, seeds, alone, FEW))
    if given.out is None:
        for key, made in found.items():
            print(key, json.dumps({k: v for k, v in made.items() if not k.startswith("_")}, indent=1, default=str))
        return
    from forecast_page import page

    given.out.write_text(page(found, given.seeds, given.fresh or [], FEW), "utf-8")


if __name__ == "__main__":
    main()
