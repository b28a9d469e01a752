"""Several studies in one file, to compare methods over tasks: ``studies`` is a list of them, the other keys hold for each.

::

    methods: [naive, confidence]
    seeds: 10
    studies:
      - {task: {packaged: movies}, supervisors: [{probe: wordllama}], students: [minilm/3]}
      - {task: {packaged: newsgroups}, supervisors: [{probe: wordllama}], students: [minilm]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outgrow.errors import StudyError
from outgrow.studies.study import Study, read_yaml, stem

__all__ = ["Several", "read_study"]


@dataclass(frozen=True)
class Several:
    """Studies that are run one after the other and then compared.

    Parameters
    ----------
    name : str
        Of the folder that holds a folder for each study, and the comparison.
    studies : tuple of Study
        Their names differ; a study without one is named after its task.
    """

    name: str
    studies: tuple[Study, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any], where: str = "the study", folder: Path = Path()) -> Several:
        """Read studies and the keys that they share.

        Raises
        ------
        StudyError
            No list of studies, a study that cannot be read, or two of one name.
        """
        shared = dict(data)
        parts, name = shared.pop("studies"), shared.pop("name", "studies")
        if not isinstance(parts, list) or not parts:
            raise StudyError(f"{where}: 'studies' must be a list with at least one study, not {_shown(parts)}")
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]{1,80}", name):
            raise StudyError(f"{where}: 'name' must be letters, digits and . _ - only, not {name!r}")
        made = []
        for i, part in enumerate(parts, 1):
            here = f"{where}: study {i}"
            if not isinstance(part, dict):
                raise StudyError(f"{here} must be a mapping with keys such as task and supervisors, not {_shown(part)}")
            whole = {**shared, **part}
            whole.setdefault("name", _task_name(whole.get("task")) or f"study-{i}")
            made.append(Study.checked(whole, here).model_copy(update={"folder": folder}))
        names = [study.name for study in made]
        if twice := [n for i, n in enumerate(names) if n in names[:i]]:
            raise StudyError(f"{where}: two studies are called {twice[0]!r}; give one of them a name")
        return cls(name, tuple(made))

    def without(self, names: Mapping[str, str]) -> Several:
        """Return the same with some studies left out."""
        return replace(self, studies=tuple(s for s in self.studies if s.name not in names))


def read_study(source: str | Path | Mapping[str, Any] | Study | Several) -> Study | Several:
    """Read one study, or several, from a YAML file or a mapping.

    Raises
    ------
    StudyError
        One sentence: which study, which key, which value, what is meant or allowed.
    """
    if isinstance(source, Study | Several):
        return source
    if isinstance(source, Mapping):
        return Several.of(source) if "studies" in source else Study.read(source)
    path = Path(source)
    data = read_yaml(path)
    if "studies" not in data:
        return Study.read(path)
    return Several.of({"name": stem(path), **data}, str(path), path.parent)


def _task_name(task: Any) -> str:
    """Name a study after its task, in letters that a folder may have."""
    if not isinstance(task, dict):
        return ""
    named = task.get("name") or task.get("packaged") or task.get("hub") or Path(str(task.get("file") or "")).stem
    return stem(Path(str(named).replace("/", "-") + ".x")) if named else ""


def _shown(value: Any) -> str:
    if value == []:
        return "an empty one"
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), repr(value)[:40])
