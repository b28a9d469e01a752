r"""Entries of a study file become supervisors; the one table of kinds.

::

    {probe: wordllama}                      a probe on a view; options: penalty, folds, name
    {finetune: minilm, lora: 4}             a model fine-tuned on the truth of teach rows; options of a fine-tuned student, and earlier (the
                                            share of its training it is taken after), folds, name
    {rules: vader, classes: [neg, pos]}     a packaged lexicon; which classes stand for negative and positive
    {rules: my_rules:votes}                 a function of a module, or a list of them; option: name
    {file: weak.csv, id: ticket, label: guess}     options: probs, value, source, by, least, cost, encoding, name
    {prompt: smollm2, template: "Review: {input}\nSentiment:", words: {neg: bad, pos: good}}
                                            a language model that is asked; options: calibration, prior, least, max_tokens, revision, name
    {debate: smollm2, judge: wordllama}     weak judges who read debates of a language model with itself; options: question, words, turns,
                                            judges, tokens, folds, name
    {stockfish: 4}                          a chess engine that looks so many half-moves ahead; options: engine, name

Every kind takes ``cost``, the money for one label; a file also the name of the column that says it line by line.

A third party adds a kind by an entry point of the group ``outgrow.supervisors``: a function
``make(value, *, classes, kind, names, **options) -> Supervisor``. The option ``cost`` is ours and does not reach it.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from outgrow.errors import InputError, StudyError, nearest
from outgrow.supervisors.protocol import Supervisor

__all__ = ["kinds", "supervisor"]

GROUP = "outgrow.supervisors"


def kinds() -> dict[str, Any]:
    """Return the kinds of supervisor a study may name: ours, and those of installed entry points (not loaded)."""
    theirs = {point.name: point for point in entry_points(group=GROUP)}
    ours = {
        "probe": _probe,
        "finetune": _finetune,
        "rules": _rules,
        "file": _file,
        "prompt": _prompt,
        "debate": _debate,
    }
    return {**theirs, **ours, "stockfish": _stockfish}


def supervisor(
    spec: Mapping[str, Any],
    *,
    classes: Sequence[Any] | None,
    kind: Literal["classes", "value"],
    names: Sequence[str] | None = None,
    folder: str | Path | None = None,
) -> Supervisor:
    """Make the supervisor that an entry of a study describes.

    Parameters
    ----------
    spec : mapping
        One key names the kind, the others are its options.
    classes : sequence, optional
        The task's; None for a value task.
    kind : {"classes", "value"}
    names : sequence of str, optional
        The task's own ids, which file labels are joined by.
    folder : path, optional
        Where the study file lies: relative paths and modules of rules are looked for there first.

    Raises
    ------
    StudyError
        No kind or several; an unknown option (the nearest is named); a module or function that is not there.
    """
    if not isinstance(spec, Mapping):
        raise StudyError(f"a supervisor is written like {{probe: wordllama}}, not as a {type(spec).__name__}")
    table = kinds()
    given = {str(k): v for k, v in spec.items()}
    named = [k for k in given if k in table]
    if len(named) != 1:
        if named:
            raise StudyError(f"a supervisor is of one kind, and this entry names {named}; write two entries")
        key = next(iter(given), "")
        raise StudyError(f"a supervisor cannot be of the kind {key!r}{nearest(key, table)}")
    _check_cost(named[0], given)
    value = given.pop(named[0])
    make = table[named[0]]
    known = None if classes is None else [str(c) for c in classes]
    context = {"classes": known, "kind": kind, "names": names}
    if named[0] not in _OPTIONS:
        return make.load()(value, **context, **given)
    for key in given:
        if key not in _OPTIONS[named[0]]:
            raise StudyError(
                f"a supervisor of the kind {named[0]!r} has no option {key!r}{nearest(key, _OPTIONS[named[0]])}"
            )
    return make(value, given, folder=None if folder is None else Path(folder), **context)


TUNED = ("lora", "layers", "epochs", "lr", "batch", "schedule", "warmup", "weight_decay", "gradient_checkpointing")
MORE = ("batch_tokens", "text_epochs", "max_tokens", "pooling", "dtype", "revision", "earlier", "folds", "name")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "probe": ("penalty", "folds", "name"),
    "finetune": (*TUNED, *MORE),
    "rules": ("classes", "name"),
    "file": ("id", "label", "probs", "value", "source", "by", "least", "cost", "encoding", "name"),
    "prompt": ("template", "words", "calibration", "prior", "least", "max_tokens", "revision", "name"),
    "debate": ("judge", "question", "words", "turns", "judges", "tokens", "folds", "name"),
    "stockfish": ("engine", "name"),
}


def _check_cost(kind: str, given: dict[str, Any]) -> None:
    """Refuse a cost that is no money, and leave it to files alone: what others say does not depend on its price."""
    if "cost" not in given:
        return
    cost = given["cost"]
    number = isinstance(cost, int | float) and not isinstance(cost, bool)
    if not (number and math.isfinite(cost) and cost >= 0) and not (kind == "file" and isinstance(cost, str) and cost):
        column = ", or a column of the file" if kind == "file" else "; only a file has a column of costs"
        raise StudyError(f"the cost of a supervisor is money for one label, a number from 0, not {cost!r}{column}")
    if kind != "file":
        del given["cost"]


def _probe(value: Any, options: dict[str, Any], *, kind: str, **_: Any) -> Supervisor:
    from outgrow.supervisors.probe import ProbeSupervisor

    if not isinstance(value, str) or not value:
        raise StudyError(f"a probe names the view it reads, {{probe: wordllama}}; {value!r} names none")
    learner: Any = None
    if "penalty" in options:
        penalty = options["penalty"]
        if penalty != "cv" and (isinstance(penalty, bool) or not isinstance(penalty, int | float) or penalty < 0):
            raise StudyError(f"the penalty of probe {value!r} is 'cv' or a number from 0, not {penalty!r}")
        if kind == "value":
            from outgrow.learners.ridge import RidgeHead

            learner = RidgeHead(on=value, penalty=penalty)
        else:
            from outgrow.learners.linear import LinearHead

            learner = LinearHead(on=value, penalty=penalty)
    return ProbeSupervisor(value, learner, options.get("folds", 5), title=options.get("name"))


def _finetune(value: Any, options: dict[str, Any], *, kind: str, **_: Any) -> Supervisor:
    from outgrow.encoders.views import token_view
    from outgrow.learners.finetune import FineTune, FineTuneValue
    from outgrow.learners.finetune_check import check_installed
    from outgrow.supervisors.probe import ProbeSupervisor

    if not isinstance(value, str) or not value:
        raise StudyError(f"finetune names the model that is trained, {{finetune: minilm}}; {value!r} names none")
    given = dict(options)
    earlier, folds, name = given.pop("earlier", None), given.pop("folds", 0), given.pop("name", None)
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 0 or folds == 1:
        raise StudyError(
            f"folds of the fine-tuned supervisor {value!r} is a whole number of at least 2, or 0, not {folds!r}"
        )
    if name is None:
        told = ", ".join(f"{k}={v}" for k, v in {**given, **({} if earlier is None else {"earlier": earlier})}.items())
        name = f"{value} fine-tuned" + (f" ({told})" if told else "")
    view = token_view(value, given.get("max_tokens"), given.get("revision"))
    until = {} if earlier is None else {"until": earlier}
    learner = (FineTuneValue if kind == "value" else FineTune)(value, on=view, **given, **until)
    try:
        learner.check()
        check_installed(value, learner.lora)
    except InputError as error:
        raise StudyError(f"the fine-tuned supervisor {value!r}: {error}".replace("until is", "earlier is")) from error
    return ProbeSupervisor(view, learner, folds, title=str(name))


def _rules(
    value: Any,
    options: dict[str, Any],
    *,
    classes: list[str] | None,
    kind: Literal["classes", "value"],
    folder: Path | None,
    **_: Any,
) -> Supervisor:
    from outgrow.supervisors.lexicon import PACKAGED, LexiconRule, packaged_rules
    from outgrow.supervisors.rules import RuleSupervisor

    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list | tuple) or not entries or not all(isinstance(e, str) for e in entries):
        raise StudyError("rules are a packaged name (vader), a function (module:function), or a list of these")
    poles = options.get("classes")
    rules: list[Callable[[Any], Any]] = []
    for entry in entries:
        if ":" in entry:
            rules.append(_function(entry, folder))
            continue
        if entry not in PACKAGED:
            raise StudyError(
                f"no packaged rules are called {entry!r}{nearest(entry, PACKAGED)}; functions are written module:function"
            )
        if kind == "value":
            raise StudyError(
                f"rules {entry!r} name classes, and this task has values; give functions that return numbers"
            )
        made = packaged_rules(entry, classes, poles)
        assert isinstance(made.rules, LexiconRule)
        rules.append(made.rules)
    if poles is not None and all(":" in e for e in entries):
        raise StudyError(
            "the option 'classes' says which classes stand for negative and positive in a lexicon; functions name their own"
        )
    name = options.get("name") or "+".join(e.rpartition(":")[2] for e in entries)
    return RuleSupervisor(rules[0] if len(rules) == 1 else rules, classes=classes, name=name, kind=kind)


def _file(
    value: Any,
    options: dict[str, Any],
    *,
    classes: list[str] | None,
    names: Sequence[str] | None,
    folder: Path | None,
    **_: Any,
) -> Supervisor:
    from outgrow.supervisors.file import FileSupervisor

    if not isinstance(value, str | Path) or not str(value):
        raise StudyError(f"file names a path, not {value!r}")
    path = Path(value).expanduser()
    if folder is not None and not path.is_absolute():
        path = folder / path
    given = dict(options)
    if "label" in given:
        given["labels"] = given.pop("label")
    given.setdefault("name", path.stem)
    return FileSupervisor(str(path), classes=classes, names=names, **given)


def _prompt(value: Any, options: dict[str, Any], *, classes: list[str] | None, kind: str, **_: Any) -> Supervisor:
    from outgrow.supervisors.prompt import PromptSupervisor

    if not isinstance(value, str) or not value:
        raise StudyError(f"a prompt names the language model that is asked, {{prompt: smollm2}}; {value!r} names none")
    if kind == "value":
        raise StudyError(
            f"prompt {value!r} asks for one of several classes, and this task has values; name another supervisor"
        )
    given = dict(options)
    made = PromptSupervisor(value, classes, title=given.pop("name", None), **given)
    made.check()
    return made


def _debate(value: Any, options: dict[str, Any], *, classes: list[str] | None, kind: str, **_: Any) -> Supervisor:
    from outgrow.supervisors.debate import DebateSupervisor

    if not isinstance(value, str) or not value:
        raise StudyError(f"a debate names the language model that argues, {{debate: smollm2}}; {value!r} names none")
    if kind == "value":
        raise StudyError(f"debate {value!r} is about classes, and this task has values; name another supervisor")
    given = dict(options)
    made = DebateSupervisor(value, str(given.pop("judge", "wordllama")), title=given.pop("name", None), **given)
    made.check(classes or [])
    return made


def _stockfish(value: Any, options: dict[str, Any], *, classes: list[str] | None, kind: str, **_: Any) -> Supervisor:
    from outgrow.supervisors.stockfish import StockfishSupervisor

    if kind == "value":
        raise StudyError(
            "stockfish says whether a chess move is right, and this task has values; name another supervisor"
        )
    made = StockfishSupervisor(value, classes, options.get("engine"), options.get("name"))
    made.check()
    return made


def _function(entry: str, folder: Path | None) -> Callable[[Any], Any]:
    module, _, attribute = entry.partition(":")
    before = list(sys.path)
    missing, fault = "", ""
    try:
        if folder is not None:
            sys.path.insert(0, str(folder.absolute()))
        importlib.invalidate_caches()
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = str(error.name)
    except Exception as error:  # the module is anybody's code
        fault = f"{type(error).__name__}: {error}"
    finally:
        sys.path[:] = before
    if missing:
        where = f" in {str(folder)!r} or" if folder is not None else ""
        raise StudyError(f"rules {entry!r} need the module {missing!r}, which is not{where} on Python's path")
    if fault:
        raise StudyError(f"the module {module!r} of rules {entry!r} cannot be imported ({fault})")
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [n for n in vars(found) if not n.startswith("_") and callable(getattr(found, n))]
            raise StudyError(f"the module {module!r} has no function {attribute!r}{nearest(attribute, names)}")
        found = getattr(found, part)
    if not callable(found):
        raise StudyError(f"{entry!r} is of type {type(found).__name__}; a rule is a function of one input")
    return found
