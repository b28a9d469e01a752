"""The program: parse, call, print. Everything it does can be done from Python too.

Exit codes: 0 good, 1 some job failed (the others are kept), 2 wrong input. Nothing prompts. With ``--json`` the answer is one JSON value on
standard output; sentences and progress go to standard error.
"""

from __future__ import annotations

import sys

import typer

from outgrow.cli import papers, results, shelf, study
from outgrow.cli.printing import print_json
from outgrow.errors import InputError, MissingExtra, OutgrowError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a strong model on weak labels, and know how far it will outgrow them.",
)

# In the order of --help.
app.command()(study.demo)
app.command()(study.run)
app.command()(study.forecast)
app.command()(study.choose)
app.command()(study.label)
app.command()(results.report)
app.command()(results.predict)
app.command()(shelf.ls)
app.command()(papers.claims)
app.command("plan-truth")(study.plan_truth)
app.command()(papers.papers)
app.command()(papers.reproduce)
app.command("check-method")(shelf.check_method)
app.command()(shelf.fetch)
app.command()(shelf.clean)

INTERRUPTED = 130


def main() -> None:
    """Run the program; errors become one sentence and an exit code."""
    import os

    # No library that is used here may report home.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        app(standalone_mode=True)
    except OutgrowError as error:
        _fail(str(error), error)
        raise SystemExit(2 if isinstance(error, InputError | MissingExtra) else 1) from None
    except BrokenPipeError:
        # Who reads has gone (| head): nothing more can be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (KeyboardInterrupt, SystemExit) as stop:
        # Typer turns Control-C into this code, without a word.
        if isinstance(stop, KeyboardInterrupt) or stop.code == INTERRUPTED:
            print("outgrow: stopped; the same command goes on where it was", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        raise
    except Exception as error:
        # A foreign message may quote inputs, and so may a traceback.
        if os.environ.get("OUTGROW_DEBUG"):
            raise
        from outgrow.studies.executors import sentence_of

        _fail(sentence_of(error), error)
        raise SystemExit(1) from None


def _fail(sentence: str, error: Exception) -> None:
    if "--json" in sys.argv:
        print_json({"error": sentence, "kind": type(error).__name__})
    print(f"outgrow: {sentence}", file=sys.stderr)
