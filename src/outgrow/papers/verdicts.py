"""Claims with their verdicts: measured one at a time, kept in one JSON file, written as one page.

A record stays valid as long as its key does: the code that can be reached from the measuring function (:mod:`outgrow.papers.reach`), the
seeds, the form. So a run that was killed goes on where it was, and an edit re-measures what it can have changed. A record that is no longer
valid is shown as one, with the version and commit it was measured with. Quick forms have a file of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from outgrow.catalogue import claims, papers
from outgrow.errors import InputError, OutgrowError, nearest
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.reach import stamp
from outgrow.store import lock, write_json, write_text

__all__ = ["FILES", "chosen", "judge", "judge_claims", "older", "published", "read_records", "record"]

FILES = {"full": ("claims.json", "claims.md"), "quick": ("claims-quick.json", "claims-quick.md")}
FORMAT = 1

Record = dict[str, Any]


def chosen(names: Sequence[str] = ()) -> list[Claim]:
    """Return claims by their own name, their subject or their paper; all of them without names.

    Raises
    ------
    InputError
        For a name that is none of these.
    """
    every = list(claims().values())
    if not names:
        return every
    also = {name: p.names for p in papers().values() for name in p.names}
    words = {c.name: {c.name, c.subject, *also.get(c.paper, {c.paper})} for c in every}
    known = sorted(set().union(*words.values()))
    for name in names:
        if name not in known:
            raise InputError(f"there is no claim, method or paper {name!r}{nearest(name, known)}")
    return [c for c in every if words[c.name] & set(names)]


def record(claim: Claim, measured: Measurement, quick: bool, seconds: float, key: str | None = None) -> Record:
    """Return what is kept of a measured claim: plain values. ``key`` is the one from before the measurement."""
    seeds = claim.seeds_of(quick)
    return {
        **_words(claim),
        "verdict": measured.verdict(),
        "decider": measured.decider(),
        "figures": measured.text(),
        "seeds": list(seeds),
        "form": "quick" if quick else "full",
        "key": claim.key(quick) if key is None else key,
        "code": stamp(),
        "cpu_seconds": round(seconds, 1),
        "measurement": measured.as_dict(),
    }


def _words(claim: Claim) -> Record:
    texts = {k: getattr(claim, k) for k in ("name", "paper", "subject", "statement", "bound")}
    return {**texts, "looked": list(claim.looked)}


def read_records(folder: Path, quick: bool = False) -> dict[str, Record]:
    """Read the records of a folder by claim; none where there is no file.

    Raises
    ------
    InputError
        When the file is not one of ours.
    """
    path = Path(folder) / FILES["quick" if quick else "full"][0]
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text("utf-8"))
        if held["format"] != FORMAT:
            raise ValueError("another format")
        return {str(k): dict(v) for k, v in held["claims"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no file of claims; move it away, or name another folder with --out") from error


def published() -> dict[str, Record]:
    """Return the verdicts of the documentation: beside the sources those of its folder, else those that the package was built with."""
    docs = Path(__file__).resolve().parents[3] / "docs"
    return read_records(docs) or read_records(Path(__file__).parent)


def older(records: Mapping[str, Record], known: Mapping[str, Claim]) -> list[str]:
    """Name the claims whose recorded verdict is of other code than there is now, or of other seeds."""
    return [name for name, claim in known.items() if name in records and records[name]["key"] != _key(claim, records)]


def _key(claim: Claim, records: Mapping[str, Record]) -> str:
    return claim.key(records[claim.name].get("form") == "quick")


def judge(
    names: Sequence[str] = (),
    folder: Path | None = None,
    *,
    quick: bool = False,
    again: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> tuple[list[Record], list[str]]:
    """Measure claims that have no valid record yet; write each at once.

    Parameters
    ----------
    names : sequence of str
        Claims, subjects or papers; all without.
    folder : Path, optional
        Holds ``claims.json`` and ``claims.md`` (quick forms: ``claims-quick``); written there after every claim. None keeps nothing.
    quick : bool
        Small forms on few seeds. Their verdicts show that the measurement runs and are no evidence.
    again : bool
        Measure also what has a valid record.
    say : callable
        Told a sentence a claim.

    Returns
    -------
    records : list of dict
        In the order of the catalogue.
    errors : list of str
        Of claims that could not be measured; an older record stays.

    Raises
    ------
    InputError
        For an unknown name, or a file that is not ours.
    """
    return judge_claims(chosen(names), folder, claims(), quick=quick, again=again, drop=not names, say=say)


def judge_claims(
    wanted: Sequence[Claim],
    folder: Path | None,
    known: Mapping[str, Claim] | None,
    *,
    quick: bool = False,
    again: bool = False,
    drop: bool = False,
    stop: tuple[type[OutgrowError], ...] = (),
    say: Callable[[str], None] = lambda sentence: None,
) -> tuple[list[Record], list[str]]:
    """Do what :func:`judge` does with the claims themselves.

    Parameters
    ----------
    wanted : sequence of Claim
    folder : Path or None
    known : mapping of str to Claim, or None
        All claims that the folder's page speaks of, by name; None writes no page.
    drop : bool
        Leave out of the folder's files what is not known.
    stop : tuple of exception classes
        Errors that are raised: the next claim would meet them too.
    """
    held = read_records(folder, quick) if folder is not None else {}
    done, errors = [], []
    for at, claim in enumerate(wanted, 1):
        # Named before it is measured: the sources may be edited meanwhile.
        old, key = held.get(claim.name), claim.key(quick)
        if old is not None and old["key"] == key and not again:
            done.append({**old, **_words(claim)})
            say(f"{at}/{len(wanted)}  {claim.name}: {old['verdict']} (kept)")
            continue
        began = time.process_time()
        try:
            new = record(claim, claim.measured(quick), quick, time.process_time() - began, key)
        except OutgrowError as error:
            if isinstance(error, stop):
                raise
            errors.append(f"{claim.name}: {error}")
            say(f"{at}/{len(wanted)}  {errors[-1]}")
            continue
        except Exception as error:  # anybody's code, and a foreign message may quote inputs
            errors.append(f"{claim.name}: {type(error).__name__} while it was measured")
            say(f"{at}/{len(wanted)}  {errors[-1]}")
            continue
        done.append(new)
        say(f"{at}/{len(wanted)}  {claim.name}: {new['verdict']}, {new['figures']} ({new['cpu_seconds']:.0f} s)")
        if folder is not None:
            _keep(Path(folder), new, quick)
    if folder is not None and known is not None:
        _tidy(Path(folder), quick, drop, known)
    return done, errors


def _keep(folder: Path, new: Record, quick: bool) -> None:
    """Put one record into the folder's file, which another process may be writing too."""
    json_name, _ = FILES["quick" if quick else "full"]
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / json_name):
        held = read_records(folder, quick)
        held[new["name"]] = new
        write_json(folder / json_name, {"format": FORMAT, "claims": held})


def _tidy(folder: Path, quick: bool, drop: bool, known: Mapping[str, Claim]) -> None:
    """Take over the words of claims, on ``drop`` leave out records of claims that are no more, and write the page.

    A run of some claims drops none: another process may know claims that came after this one started.
    """
    from outgrow.papers.page import page

    json_name, page_name = FILES["quick" if quick else "full"]
    if not (folder / json_name).exists():
        return
    with lock(folder / json_name):
        held = read_records(folder, quick)
        now = {} if drop else dict(held)
        now |= {name: {**held[name], **_words(claim)} for name, claim in known.items() if name in held}
        if now != held:
            write_json(folder / json_name, {"format": FORMAT, "claims": now})
        write_text(folder / page_name, page(list(now.values()), _missing(now, known), older(now, known)))


def _missing(held: Mapping[str, Record], known: Mapping[str, Claim]) -> list[str]:
    return [name for name in known if name not in held]
