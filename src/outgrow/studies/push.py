"""Put a saved student on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from outgrow.errors import FetchError, InputError, MissingExtra, StoreError
from outgrow.store import read_json, write_text

__all__ = ["push"]

# What a student consists of; whatever else lies in the folder stays at home.
FILES = ("README.md", "student.json", "head/*", "head/tokenizer/*", "encoder/*")
_NAME = re.compile(r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")


def push(folder: str | Path, name: str, *, private: bool = True, token: str | None = None) -> str:
    """Upload a saved student to the Hub, with its card.

    Parameters
    ----------
    folder : str or Path
        Written by :meth:`outgrow.Student.save`, or ``student/`` in the folder of a study.
    name : str
        ``org/name`` of the repository, which is made where there is none.
    private : bool
        Of the repository. One that exists and is public is refused where True is wished.
    token : str, optional
        Default: what ``hf auth login`` stored, or the variable HF_TOKEN.

    Returns
    -------
    str
        Address of the repository.

    Raises
    ------
    InputError
        A name that is none; no token; a repository that is public.
    StoreError
        No student in the folder.
    FetchError
        The Hub cannot be reached, or refuses.
    MissingExtra
        huggingface_hub is not installed.
    """
    folder = Path(folder)
    if not isinstance(name, str) or not _NAME.match(name) or ".." in name or "--" in name:
        raise InputError(f"{name!r} names no repository of the Hub; give org/name, such as 'my-team/movie-student'")
    _ready(folder)
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra("pushing a student to the Hub", "hf") from error
    if huggingface_hub.is_offline_mode():
        raise FetchError(
            f"the student cannot be pushed to {name!r} because HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it"
        )
    token = token or huggingface_hub.get_token()
    if not token:
        raise InputError(
            f"there is no token of the Hub to push to {name!r} with; run `hf auth login`, set HF_TOKEN, or give token="
        )
    api = huggingface_hub.HfApi(token=token)
    fault = ""
    try:
        made = api.create_repo(name, private=private, exist_ok=True)
        public = private and not api.repo_info(name).private
        if not public:
            api.upload_folder(
                repo_id=name, folder_path=str(folder), allow_patterns=list(FILES), commit_message="A student of outgrow"
            )
    except Exception as error:  # each of httpx, huggingface_hub and the operating system has its own
        code = getattr(getattr(error, "response", None), "status_code", None)
        fault = f"HTTP {code}" if code else type(error).__name__
    if fault:
        # Outside the handler: the Hub's own error names addresses and request ids, and would be printed as the cause.
        denied = fault in ("HTTP 401", "HTTP 403")
        raise FetchError(
            f"the student could not be pushed to {name!r} ({fault}); "
            + ("the token may not write there, give one that may" if denied else "check the network and try again")
        )
    if public:
        raise InputError(f"the repository {name!r} is there already and public; name another, or give private=False")
    return str(made)


def _ready(folder: Path) -> None:
    """Raise where there is no whole student; write a card where an older version wrote none."""
    from outgrow.studies.card import card_of

    missing = next((f for f in ("student.json", "head/head.json") if not (folder / f).is_file()), None)
    if missing:
        raise StoreError(
            f"there is no student in {folder}: {missing} is missing; give the folder that a run wrote as 'student'"
        )
    linked = next((p for p in folder.rglob("*") if p.is_symlink()), None)
    if linked is not None:
        raise StoreError(f"{os.fspath(linked.relative_to(folder))!r} in {folder} is a link; copy the student whole")
    if not (folder / "README.md").is_file():
        fault = ""
        try:
            read_json(folder / "student.json")
            write_text(folder / "README.md", card_of(folder))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            fault = type(error).__name__
        if fault:
            raise StoreError(f"the student in {folder} is damaged ({fault}); run its study again")
