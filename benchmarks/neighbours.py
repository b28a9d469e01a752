"""Neighbour graphs of 200,000 rows: CPU time, peak memory, recall.

    python benchmarks/neighbours.py --out docs/benchmarks-neighbours.md
    python benchmarks/neighbours.py --rows 60000 --quick

Each case runs in a process of its own, whose peak resident memory holds Python, its libraries and the matrix itself. Recall is measured by
the search on 500 rows against exact distances, as every graph above 50,000 rows does; the benchmark measures it once more on 500 others.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from outgrow.methods import neighbours
from outgrow.methods.neighbours import EXACT, cost, nearest_rows, standardised

WIDTH, NEAR = 576, 10
LIMITS = {"minutes": 10.0, "GB": 6.0}


def clusters(rows: int) -> np.ndarray:
    """2,000 topics of uneven size in a space of 40 dimensions, seen through 576 features with noise."""
    random = np.random.default_rng(0)
    size = random.pareto(1.5, 2000) + 0.1
    topic = random.choice(2000, rows, p=size / size.sum())
    latent = random.normal(size=(2000, 40)).astype(np.float32)[topic]
    latent += 0.4 * random.standard_normal((rows, 40), dtype=np.float32)
    out = latent @ random.normal(size=(40, WIDTH)).astype(np.float32)
    for at in range(0, rows, 10_000):
        out[at : at + 10_000] += random.standard_normal(out[at : at + 10_000].shape, dtype=np.float32)
    return out


def snippets(rows: int) -> np.ndarray:
    """Features of movie snippets, mapped to 576, repeated with noise of a third of their spread."""
    import outgrow
    from outgrow.tasks.packaged import packaged

    task = packaged("movies")
    real = np.asarray(outgrow.encode(task, ["wordllama"]).view("wordllama"), dtype=np.float32)
    random = np.random.default_rng(0)
    real = (real - real.mean(axis=0)) @ random.normal(size=(real.shape[1], WIDTH)).astype(np.float32)
    spread = real.std(axis=0) / 3
    out = np.empty((rows, WIDTH), dtype=np.float32)
    for at in range(0, rows, len(real)):
        part = out[at : at + len(real)]
        part[:] = real[: len(part)] + spread * random.standard_normal(part.shape, dtype=np.float32)
    return out


CASES = {"made-up clusters": clusters, "movie snippets, repeated with noise": snippets}


def measure(case: str, rows: int) -> dict:
    x = CASES[case](rows)
    said = cost(rows, WIDTH)
    start, wall = time.process_time(), time.perf_counter()
    x = standardised(x, np.ones(rows))
    found = nearest_rows(x, NEAR, random_state=0)
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    others = np.sort(np.random.default_rng(99).permutation(rows)[:500])
    exact = neighbours._search(x, neighbours._squares(x), others, np.arange(rows), NEAR)[1]
    again = neighbours._recall(found.far[others] ** 2, exact)
    return {
        "case": case,
        "rows": rows,
        "seconds": seconds,
        "wall": wall,
        "peak": peak,
        "recall": found.recall,
        "again": again,
        "said": said.seconds,
        "said_bytes": said.bytes,
    }


def page(lines: list[dict], command: str) -> str:
    table = [
        "| data | rows x features | CPU | foretold | peak memory | recall | on 500 others | within 10 CPU minutes and 6 GB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for m in lines:
        met = m["seconds"] <= 60 * LIMITS["minutes"] and m["peak"] <= LIMITS["GB"] * 1e9
        table.append(
            f"| {m['case']} | {m['rows']:,} x {WIDTH} | {m['seconds']:.0f} s | {m['said']:.0f} s | {m['peak'] / 1e9:.1f} GB | "
            f"{m['recall']:.3f} | {m['again']:.3f} | {'yes' if met else 'no'} |"
        )
    return "\n".join(
        [
            "# Benchmarks: neighbour graphs",
            "",
            f"Written by `{command}`; do not edit.",
            "",
            f"{NEAR} nearest of each row, Euclidean, features standardised, single precision; one thread, numpy {np.__version__}, "
            f"{platform.machine()}. Up to {EXACT:,} rows the search is exact. Peak memory is that of the whole process, the matrix "
            "and its standardised copy included. The foretold time is what `outgrow run --dry-run` says.",
            "",
            *table,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="made-up clusters only")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(args.case, args.rows)))
        return
    lines = []
    for case in list(CASES)[: 1 if args.quick else None]:
        run = [sys.executable, __file__, "--case", case, "--rows", str(args.rows)]
        lines.append(
            json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        )
        print(lines[-1], file=sys.stderr)
    text = page(lines, f"python benchmarks/neighbours.py{f' --out {args.out}' if args.out else ''}")
    print(text)
    if args.out:
        args.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
