"""Linear heads: a hundred logistic heads, ridge with leave-one-out, one more student, and how time grows with rows.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/heads.py --out docs/benchmarks-heads.md
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/heads.py --features smollm2     (reads or makes that view of movies)
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/heads.py --quick

Both sides get the same standardised float64 matrix. Each is given the loosest tolerance of a fixed list with which *every* head lies within
1e-6, relative, of its minimum, so times are compared at an equal objective gap. Ours is the whole public call, checks and keys included.
Seconds are CPU seconds of this process; threads are set by the environment before Python starts, because a pool that is shrunk later makes
scikit-learn's lbfgs ten times slower. Exits with 1 when a bar is missed (bars hold for the full sizes only).
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP = 1e-6
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 1e-7)
STRENGTHS = (1.0, 0.01)  # scikit-learn's C, as in earlier measurements
HEADS_BAR, RIDGE_BAR = 5.0, 5.0
STUDENT_BARS = {"naive": 2.0, "confidence": 6.0}


@dataclass
class Page:
    """Lines of the report, and the bars that were missed."""

    lines: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def bar(self, what: str, good: bool | None) -> str:
        """Say whether a bar is met; None where none holds."""
        if good is None:
            return "-"
        if not good:
            self.missed.append(what)
        return "yes" if good else "**no**"


def seconds(call: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """Return CPU seconds and the result."""
    started = time.process_time()
    out = call(*given)
    return time.process_time() - started, out


# --- features --------------------------------------------------------------------------------------------------------------------------


def synthetic(n: int, d: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], str]:
    """Correlated features whose standard deviations fall as j^-0.6 along random axes, as those of hidden states roughly do."""
    random = np.random.default_rng(0)
    axes, _ = np.linalg.qr(random.normal(size=(d, d)))
    spread = np.arange(1, d + 1) ** -0.6
    hidden = random.standard_normal((n, d))
    score = hidden @ (random.normal(size=d) * np.arange(1, d + 1) ** -0.3)
    labels = (score / score.std() + 0.3 * random.normal(size=n) > 0).astype(int)
    directions = random.normal(size=(d, 100)) * (np.arange(1, d + 1) ** -0.3)[:, None]
    values = hidden @ directions
    values = values / values.std(axis=0) + random.normal(size=values.shape) * np.geomspace(0.03, 30, 100)
    return (hidden * spread) @ axes, labels, values, "synthetic, power-law spectrum (sd of axis j falls as j^-0.6)"


def docstrings(n: int, d: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], str]:
    """Docstrings: hashed character 3-grams; standard library or not; log counts of the hundred commonest words as values."""
    sys.path.insert(0, str(Path(__file__).parent))
    from encode import docstrings as collect
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

    texts, labels = collect(n)
    grams = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=d, alternate_sign=True).transform(
        texts
    )
    words = CountVectorizer(max_features=100).fit_transform(texts)
    x = grams.toarray()
    return (
        x,
        np.asarray(labels),
        np.log1p(words.toarray().astype(float)),
        "docstrings, hashed character 2- to 4-grams (real)",
    )


def smollm2(n: int, d: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], str]:
    """Hidden states of SmolLM2-135M on movie snippets; the values are a hundred coordinates of wordllama's vectors of the same texts."""
    import outgrow

    task = outgrow.packaged("movies")
    rows = outgrow.encode(task, ["smollm2/18", "wordllama"])
    some = np.sort(np.random.default_rng(0).permutation(len(rows))[:n])
    x = rows[some].view("smollm2/18")[:, :d].astype(np.float64)
    values = rows[some].view("wordllama")[:, :100].astype(np.float64)
    truth = np.asarray(task.truth)[some]
    return x, np.unique(truth, return_inverse=True)[1], values, "SmolLM2-135M layer 18 on movie snippets (real)"


FEATURES = {"synthetic": synthetic, "docstrings": docstrings, "smollm2": smollm2}


def standardised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = x[:, x.std(axis=0) > 0]
    return (x - x.mean(axis=0)) / x.std(axis=0)


# --- logistic --------------------------------------------------------------------------------------------------------------------------


def objectives(
    x: NDArray[np.float64],
    codes: NDArray[np.int64],
    coef: NDArray[np.float64],
    intercept: NDArray[np.float64],
    penalty: float,
) -> NDArray[np.float64]:
    z = x @ coef.T + intercept
    loss = np.logaddexp(0, z) - codes.T * z
    return loss.mean(axis=0) + penalty / 2 * (coef**2).sum(axis=1)


def ours(x: NDArray[np.float64], codes: NDArray[np.int64], penalty: float, tol: float) -> tuple[Any, Any]:
    from outgrow.learners import LinearHead

    heads = LinearHead(tol=tol).fit_many(x, np.stack([1 - codes, codes], axis=-1), penalty=np.full(len(codes), penalty))
    return np.vstack([h.coef_ for h in heads]), np.concatenate([h.intercept_ for h in heads])


def theirs(x: NDArray[np.float64], codes: NDArray[np.int64], penalty: float, tol: float) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression

    fits = [LogisticRegression(C=1 / (len(x) * penalty), tol=tol, max_iter=20000).fit(x, c) for c in codes]
    return np.vstack([f.coef_ for f in fits]), np.concatenate([f.intercept_ for f in fits])


def equal_gap(fit: Callable[..., Any], x: Any, codes: Any, penalty: float, best: Any) -> tuple[float, float]:
    """Return the loosest tolerance that brings all heads within the gap, and the largest gap it leaves."""
    for tol in TOLERANCES:
        value = objectives(x, codes, *fit(x, codes, penalty, tol), penalty)
        gap = float(((value - best) / best).max())
        if gap <= GAP:
            return tol, gap
    raise SystemExit(f"{fit.__name__} does not reach a relative gap of {GAP:g}")


def logistic(page: Page, sources: list[Any], heads: int, repeats: int, full: bool) -> None:
    page.say("", f"## {heads} logistic heads at equal objective gap", "")
    page.say(
        "Label columns are the task's two classes with 0 to 35 % of them flipped. Median of the runs, interleaved.", ""
    )
    page.say(
        "| features | rows x columns | C | ours (s) | tol | gap | scikit-learn lbfgs (s) | tol | gap | ratio | at least 5 |"
    )
    page.say("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for raw, labels, _, name in sources:
        x = standardised(raw)
        random = np.random.default_rng(1)
        codes = np.stack([labels ^ (random.random(len(x)) < f) for f in np.linspace(0, 0.35, heads)]).astype(np.int64)
        for strength in STRENGTHS:
            penalty = 1 / (len(x) * strength)
            best = objectives(x, codes, *ours(x, codes, penalty, 1e-10), penalty)
            some = np.unique(np.linspace(0, heads - 1, 3).astype(int))
            proof = objectives(x, codes[some], *theirs(x, codes[some], penalty, 1e-9), penalty)
            if not np.allclose(proof, best[some], rtol=1e-8, atol=0):
                raise SystemExit("the two sides do not solve the same problem")
            settings = [equal_gap(fit, x, codes, penalty, best) for fit in (ours, theirs)]
            times: list[list[float]] = [[], []]
            for _ in range(repeats):
                for side, fit in enumerate((ours, theirs)):
                    times[side].append(seconds(fit, x, codes, penalty, settings[side][0])[0])
            mine, other = (statistics.median(t) for t in times)
            good = page.bar(f"heads on {name}, C={strength:g}", other / mine >= HEADS_BAR if full else None)
            page.say(
                f"| {name} | {x.shape[0]:,} x {x.shape[1]} | {strength:g} | {mine:.2f} | {settings[0][0]:g} | {settings[0][1]:.0e} "
                f"| {other:.2f} | {settings[1][0]:g} | {settings[1][1]:.0e} | {other / mine:.1f} | {good} |"
            )


# --- ridge -----------------------------------------------------------------------------------------------------------------------------


def ridge(page: Page, sources: list[Any], repeats: int, full: bool) -> None:
    from sklearn.linear_model import RidgeCV

    from outgrow.learners import ridge_loo

    grid = np.geomspace(1e-4, 1e3, 20)
    page.say("", "## Ridge, leave-one-out, 100 targets x 20 penalties", "")
    page.say(
        "| features | ours (s) | RidgeCV(alpha_per_target=True) (s) | ratio | at least 5 | same choice | different choices made |"
    )
    page.say("| --- | --- | --- | --- | --- | --- | --- |")
    for raw, _, values, name in sources:
        x = standardised(raw)
        mine, other = [], []
        for _ in range(repeats):
            spent, (penalty, coef, _) = seconds(ridge_loo, x, values, grid)
            mine.append(spent)
            spent, oracle = seconds(RidgeCV(grid * len(x), alpha_per_target=True).fit, x, values)
            other.append(spent)
        same = int(np.isclose(oracle.alpha_, penalty * len(x)).sum())
        ratio = statistics.median(other) / statistics.median(mine)
        good = page.bar(f"ridge on {name}", ratio >= RIDGE_BAR if full else None)
        page.bar(f"ridge choices on {name}", same == values.shape[1])
        page.say(
            f"| {name} | {statistics.median(mine):.2f} | {statistics.median(other):.2f} | {ratio:.1f} | {good} "
            f"| {same} of {values.shape[1]} | {len(set(penalty))} |"
        )
        assert np.allclose(coef, oracle.coef_, rtol=1e-4, atol=1e-6 * np.abs(oracle.coef_).max())


# --- students --------------------------------------------------------------------------------------------------------------------------


def students(page: Page, sources: list[Any], repeats: int, full: bool) -> None:
    from outgrow import Rows, WeakLabels
    from outgrow.methods import Confidence, Naive

    page.say("", "## One more student on cached views, warm process", "")
    page.say(
        'Fit with penalty="cv" (24 solves and the final ones) and score; soft weak labels that are right on about 70 % of rows.',
        "",
    )
    page.say("| features | method | CPU seconds | bar | met |", "| --- | --- | --- | --- | --- |")
    for raw, labels, _, name in sources:
        random = np.random.default_rng(2)
        noisy = np.where(random.random(len(labels)) < 0.3, 1 - labels, labels)
        sure = 0.5 + 0.5 * random.random(len(labels))
        probs = np.stack([np.where(noisy == 0, sure, 1 - sure), np.where(noisy == 1, sure, 1 - sure)], axis=1)
        rows = Rows.from_arrays(view=raw.astype(np.float32))
        weak = WeakLabels.from_probs(probs, np.array(["no", "yes"]))
        truth = np.array(["no", "yes"])[labels]
        for label, method in (("naive", Naive()), ("confidence", Confidence())):
            method.fit(rows, weak)
            times = [seconds(fit_and_score, method, rows, weak, truth)[0] for _ in range(repeats)]
            spent = statistics.median(times)
            good = page.bar(f"student {label} on {name}", spent < STUDENT_BARS[label] if full else None)
            page.say(f"| {name} | {label} | {spent:.2f} | {STUDENT_BARS[label]:g} | {good} |")


def fit_and_score(method: Any, rows: Any, weak: Any, truth: Any) -> float:
    return method.fit(rows, weak).score(rows, truth)


def growth(page: Page, sizes: tuple[int, ...]) -> None:
    from outgrow.learners import LinearHead, RidgeHead

    page.say("", "## Growth with rows, 384 columns, synthetic", "")
    page.say("Peak memory is that of the process so far, features included.", "")
    page.say(
        "| rows | LinearHead, fixed penalty (s) | LinearHead, cv (s) | RidgeHead, cv (s) | features (MB) | peak memory (MB) |"
    )
    page.say("| --- | --- | --- | --- | --- | --- |")
    for n in sizes:
        x, labels, values, _ = synthetic(n, 384)
        y = values[:, 50].copy()
        del values
        fixed = seconds(LinearHead(penalty=0.1).fit, x, labels)[0]
        chosen = seconds(LinearHead().fit, x, labels)[0]
        closed = seconds(RidgeHead().fit, x, y)[0]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
        page.say(f"| {n:,} | {fixed:.2f} | {chosen:.2f} | {closed:.2f} | {x.nbytes / 1e6:.0f} | {peak:.0f} |")


def main(given: list[str] | None = None) -> int:
    """Run all parts; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", nargs="+", choices=list(FEATURES), default=["docstrings", "synthetic"])
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs; medians are quoted")
    parser.add_argument("--out", type=Path, help="write the page there, too")
    parser.add_argument("--quick", action="store_true", help="small sizes, no bars")
    args = parser.parse_args(given)
    if os.environ.get("OMP_NUM_THREADS") != "1" and os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error(
            "set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 before Python starts: a ratio with other pools means nothing"
        )
    import sklearn
    import torch

    rows, columns, heads = (400, 64, 8) if args.quick else (3000, 576, 100)
    repeats = 1 if args.quick else args.repeats
    page = Page()
    page.say("# Benchmarks: linear heads", "")
    command = "python benchmarks/heads.py " + " ".join(sys.argv[1:] if given is None else given)
    page.say(f"Written by `{command.strip()}`; do not edit.", "")
    page.say(
        f"{cpu()}, one thread, numpy {np.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}; "
        f"the machine was shared (load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores)."
    )
    sources = [FEATURES[name](rows, columns) for name in args.features]
    logistic(page, sources, heads, repeats, not args.quick)
    ridge(page, sources, repeats, not args.quick)
    students(page, sources, repeats, not args.quick)
    growth(page, (2000,) if args.quick else (12500, 25000, 50000))
    met = "All bars are met." if not args.quick else "No bars at these sizes."
    page.say("", met if not page.missed else "Missed: " + "; ".join(page.missed) + ".")
    if args.out:
        args.out.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return int(bool(page.missed))


def cpu() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
