"""Sphinx: concepts by hand, API pages written from the package as it is. Builds with -W and without a network."""

from __future__ import annotations

import re
from pathlib import Path

import outgrow

HERE = Path(__file__).parent
API = HERE / "api"

project = "outgrow"
author = "The outgrow developers"
copyright = "The outgrow developers, Apache-2.0"
version = release = outgrow.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Words in the type of a parameter, such as "shape", are looked up as Python names and may fit two attributes.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"outgrow {version}"
html_copy_source = False

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True


SOURCE = Path(outgrow.__file__).parent


def _modules() -> list[str]:
    """All modules of the package by their files, so that none is missed; templates and private files are no modules."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        found.append(".".join(["outgrow", *(part for part in parts if part != "__init__")]))
    return sorted(set(found) - {"outgrow"})


def _write(name: str, text: str) -> None:
    """Leave an unchanged file alone, so that Sphinx reads only what is new."""
    path = API / name
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _write_api() -> None:
    """One page for each folder of the package, one for the files beside them, and a table of the public names."""
    API.mkdir(exist_ok=True)
    pages: dict[str, list[str]] = {}
    for module in _modules():
        name = module.split(".")[1]
        pages.setdefault(name if (SOURCE / name).is_dir() else "top", []).append(module)
    for old in set(API.glob("*.md")) - {API / f"{name}.md" for name in [*pages, "index"]}:
        old.unlink()
    for folder, modules in pages.items():
        title = "Files at the top" if folder == "top" else f"outgrow.{folder}"
        text = f"# {title}\n"
        for module in modules:
            heading = "" if module == f"outgrow.{folder}" else f"\n## {module}\n"
            options = ":no-members:\n" if module == f"outgrow.{folder}" else ""
            text += f"{heading}\n```{{eval-rst}}\n.. automodule:: {module}\n"
            text += f"   {options}" if options else ""
            text += "```\n"
        _write(f"{folder}.md", text)
    rows = ""
    for name in outgrow.__all__:
        home = outgrow._PUBLIC.get(name)
        if home is not None:
            page = home.split(".")[0] if home.split(".")[0] in pages else "top"
            rows += f"| `outgrow.{name}` | [outgrow.{home}]({page}.md) |\n"
    listed = "\n".join([*sorted(set(pages) - {"top"}), "top"])
    _write(
        "index.md",
        "# API\n\nGenerated from the docstrings. What `import outgrow` offers directly:\n\n"
        f"| name | where it is described |\n| --- | --- |\n{rows}\n"
        "Methods, supervisors, forecasts and audits stay in their folders, for instance `outgrow.methods.Naive`.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n",
    )


def _formulas_stay(app, what, name, obj, options, lines):
    """Show what is indented in a file's opening text (formulas, tables, trees) as it stands; lists stay lists."""
    if what != "module":
        return
    text: list[str] = []
    literal = False
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        part = paragraph.split("\n")
        literal = literal and part[0].startswith(" ")
        if not literal and not re.match(r"([-*]|\d+\.) ", part[0]) and any(line.startswith(" ") for line in part):
            text += ["::", ""]
            literal = True
        text += [*(f"  {line}" if literal else line for line in part), ""]
        literal = literal or paragraph.rstrip().endswith("::")
    lines[:] = text


def _skip(app, what, name, obj, skip, options):
    """Leave out the setters that scikit-learn adds to every estimator; their text refers to its own documentation."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app):
    """Connect what is above."""
    app.connect("autodoc-process-docstring", _formulas_stay)
    app.connect("autodoc-skip-member", _skip)


_write_api()
