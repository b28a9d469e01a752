"""A study killed with SIGKILL when its journal shows the k-th line, and resumed: are the results those of an undisturbed run?

    python benchmarks/kill.py --out docs/kill.md        # the demo study, ten values of k
    python benchmarks/kill.py --quick

Every run starts from an empty cache (downloaded archives and converted models excepted) and writes into a folder of its own. The ten lines
are spread over encoding, label tables, references, students, scores and the writing of results, at least one each. After each kill the
same command runs to its end; then

- every table, array and file of the saved student equals the undisturbed run's, bit for bit or cell by cell (times excepted);
- over both runs the journal names no finished job and no finished shard twice, and no job is missing.

The check fails when the journal lacks the lines of a stage: a kill "in" a stage that writes no lines would prove nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

JOBS = ("labels", "reference", "student", "evaluation")
WROTE = ("student", "rows", "results", "report.md", "report.html")
STAGES = ("shard", *JOBS, "wrote")
# Held over from one run to the next, or naming the moment: no part of the results.
ASIDE = ("costs.json", "journal.jsonl", "report.html", "report.md", "results.json")
POLL = 0.0005


@dataclass(frozen=True)
class Killed:
    """One kill: at which line, of which stage, how many lines there were when the process was dead, and what was wrong afterwards."""

    line: int
    stage: str
    lines: int
    faults: tuple[str, ...]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal; none when there is no file yet."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = []
    for line in data.split(b"\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def stage(line: Mapping[str, Any]) -> str | None:
    """Return the stage that a line finishes a part of, None for lines that finish nothing."""
    if line["event"] == "done":
        return str(line["kind"])
    return line["event"] if line["event"] in ("shard", "wrote") else None


def missing_stages(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name what an undisturbed run's journal must show and does not."""
    seen = Counter(map(stage, lines))
    wrote = {line["what"] for line in lines if line["event"] == "wrote"}
    short = [s for s in STAGES if not seen[s]]
    short += [f"wrote {what}" for what in WROTE if what not in wrote]
    return short + ([] if any(line["event"] == "end" for line in lines) else ["end"])


def twice(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name jobs and shards that were finished more than once."""
    jobs = Counter(line["key"] for line in lines if line["event"] == "done")
    shards = Counter((line["key"], line["shard"]) for line in lines if line["event"] == "shard")
    return [f"job {k} was done {n} times" for k, n in jobs.items() if n > 1] + [
        f"shard {i} of {k} was done {n} times" for (k, i), n in shards.items() if n > 1
    ]


def choose(lines: Sequence[Mapping[str, Any]], kills: int) -> list[int]:
    """Choose lines (from 1), at least one of each stage, the rest evenly between; the first lines of stages come first.

    A stage's middle line stands for it, so that something of it is finished and something is not.
    """
    of = {s: [i + 1 for i, line in enumerate(lines) if stage(line) == s] for s in STAGES}
    chosen = [places[(len(places) - 1) // 2] for places in of.values() if places]
    rest = [i for places in of.values() for i in places if i not in chosen]
    more = max(0, kills - len(chosen))
    step = max(1, len(rest) // more) if more else 1
    chosen += sorted(rest)[::step][:more]
    return sorted(chosen)


def differences(one: Path, other: Path) -> list[str]:
    """Compare two folders of results: tables cell by cell, everything else byte by byte, times and places excepted."""
    import pandas as pd

    names = [
        {str(f.relative_to(p)) for f in p.rglob("*") if f.is_file() and not f.name.startswith(".")}
        for p in (one, other)
    ]
    found = [f"{name} is in one of them only" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        a, b = one / name, other / name
        if name.endswith(".parquet"):
            left, right = pd.read_parquet(a), pd.read_parquet(b)
            if list(left.columns) != list(right.columns) or len(left) != len(right):
                found.append(f"{name} has other columns or rows")
            else:
                found += [f"{name} differs in column {c}" for c in left.columns if not left[c].equals(right[c])]
        elif name not in ASIDE and a.read_bytes() != b.read_bytes():
            found.append(f"{name} differs")
    about = [json.loads((p / "results.json").read_text("utf-8")) for p in (one, other)]
    for value in about:
        value["environment"].pop("seconds", None)
    found += [f"results.json differs in {key}" for key in about[0] if about[0][key] != about[1].get(key)]
    return found


def fresh_home(folder: Path, real: Path | None) -> Path:
    """Make an empty cache that sees the real one's archives and converted models through links."""
    folder.mkdir(mode=0o700, parents=True)
    for name in ("archives", "models"):
        if real is not None and (real / name).is_dir():
            (folder / name).symlink_to(real / name)
    return folder


def run(command: Sequence[str], home: Path, log: Path, *, watch: Path | None = None, line: int = 0) -> int:
    """Run a command; with ``watch``, kill it as soon as that journal has ``line`` lines. Return its code (negative: the signal)."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "OUTGROW_HOME": str(home)}
        )
        try:
            while watch is not None and process.poll() is None:
                if len(read(watch)) >= line:
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(POLL)
            return process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def kill_and_resume(
    command: Sequence[str],
    resume: Any,
    whole: Path,
    before: Sequence[Mapping[str, Any]],
    line: int,
    work: Path,
    real: Path | None,
) -> Killed:
    """Kill a run at one line, finish it with ``resume(home, out)``, and compare it with the undisturbed run in ``whole``.

    Parameters
    ----------
    command : sequence of str
        The program up to ``--out``, which is added.
    resume : callable
        Runs the same study to its end and returns the exit code.
    before : sequence
        The undisturbed run's journal.
    """
    home, out = fresh_home(work / f"home-{line}", real), work / f"out-{line}"
    code = run([*command, "--out", str(out)], home, work / f"log-{line}", watch=out / "journal.jsonl", line=line)
    lines = read(out / "journal.jsonl")
    faults = [] if code == -signal.SIGKILL else [f"the run ended with {code} before it could be killed"]
    code = resume(home, out)
    faults += [] if code == 0 else [f"the resumed run ended with {code}"]
    after = read(out / "journal.jsonl")
    faults += twice(after)
    keys = [{entry["key"] for entry in entries if entry["event"] == "done"} for entries in (before, after)]
    # A job whose object was stored and whose line was not written when the kill came is held by the next run.
    if len(keys[0] - keys[1]) > 1 or keys[1] - keys[0]:
        faults.append(f"the journal names {len(keys[1])} jobs, and {len(keys[0])} in the undisturbed run")
    if faults == [] or out.joinpath("results.json").is_file():
        faults += differences(whole, out)
    return Killed(line, str(stage(before[line - 1])), len(lines), tuple(faults))


def study(folder: Path, quick: bool) -> Path:
    """Write the demo study, or a small cut of it."""
    import outgrow

    given = yaml.safe_load((Path(outgrow.__file__).parent / "studies" / "demo.yaml").read_text("utf-8"))
    if quick:
        given |= {
            "task": {"packaged": "movies", "sample": 700},
            "split": {"teach": 100, "transfer": 300, "select": 60, "test": 200},
            "supervisors": [{"probe": "wordllama"}, {"rules": "vader"}],
            "students": [{"encoder": "minilm", "layer": 3}],
            "seeds": 2,
        }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False), "utf-8")
    return path


def document(killed: Sequence[Killed], seconds: float, jobs: int, shards: int, quick: bool) -> str:
    """Return the page: one line per kill."""
    good = sum(not k.faults for k in killed)
    lines = [
        "# Killed and resumed",
        "",
        f"Written by `python benchmarks/kill.py{' --quick' if quick else ''} --kills {len(killed)}` in {seconds:.0f} s; do not edit. "
        f"The {'small cut of the ' if quick else ''}demo study ({jobs} jobs, {shards} shards)",
        "is killed with SIGKILL when its journal shows line k, "
        "then the same command runs again. Equal means: all tables, arrays and the saved student, times excepted.",
        "",
        f"**{good} of {len(killed)} resumed runs equal the undisturbed one, with no job and no shard done twice.**",
        "",
        "| k | it finished a | lines when dead | afterwards |",
        "| --- | --- | --- | --- |",
        *(f"| {k.line} | {k.stage} | {k.lines} | {'; '.join(k.faults) or 'equal'} |" for k in killed),
    ]
    return "\n".join(lines) + "\n"


def main(given: list[str] | None = None) -> int:
    """Run it all; 1 when a resumed run differs."""
    parser = argparse.ArgumentParser(description="Kill a study at ten places, resume it, compare.")
    parser.add_argument("--kills", type=int, help="default: 10, with --quick 6")
    parser.add_argument("--processes", type=int, default=1, help="worker processes of the runs")
    parser.add_argument("--out", type=Path, help="file to write; printed if left out")
    parser.add_argument("--quick", action="store_true", help="700 rows, one encoder, six kills")
    args = parser.parse_args(given)
    from outgrow.store import home

    real, started = home(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="outgrow-kill-") as scratch:
        work = Path(scratch)
        base = [
            sys.executable,
            "-m",
            "outgrow",
            "run",
            str(study(work, args.quick)),
            "--processes",
            str(args.processes),
        ]
        whole, log = work / "whole", work / "log"
        code = run([*base, "--out", str(whole)], fresh_home(work / "home", real), log)
        lines = read(whole / "journal.jsonl")
        if code or missing_stages(lines):
            print(log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
            print(f"the undisturbed run ended with {code}; its journal lacks: {missing_stages(lines)}", file=sys.stderr)
            return 1
        killed = []
        for line in choose(lines, args.kills or (len(STAGES) if args.quick else 10)):
            killed.append(
                kill_and_resume(
                    base, lambda h, o: run([*base, "--out", str(o)], h, log), whole, lines, line, work, real
                )
            )
            print(f"line {line} ({killed[-1].stage}): {'; '.join(killed[-1].faults) or 'equal'}", file=sys.stderr)
    counts = Counter(line["event"] for line in lines)
    text = document(killed, time.perf_counter() - started, counts["done"], counts["shard"], args.quick)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    return int(any(k.faults for k in killed))


if __name__ == "__main__":
    sys.exit(main())
