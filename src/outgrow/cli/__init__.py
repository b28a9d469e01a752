"""The command line: ``program`` is the program itself, the other files are its commands, by what they take."""

from outgrow.cli.program import app, main

__all__ = ["app", "main"]
