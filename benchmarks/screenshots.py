"""Take four pictures (light and dark, 1280 and 360 px of layout width) of a report with hostile and right-to-left text.

    python benchmarks/screenshots.py --out shots [--run FOLDER] [--height 2600]

Without ``--run`` the report is made from simulated results whose names are hostile; with it, from the stored results of a run.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests" / "reports"
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def load(name: str):
    """Import one of the tests' own files: the simulated results, and the frame that forces a width."""
    spec = importlib.util.spec_from_file_location(f"screenshots_{name}", TESTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the four PNG files")
    parser.add_argument("--run", type=Path, help="folder of a run; default: simulated results with hostile names")
    parser.add_argument("--height", type=int, default=2600, help="pixels from the top that are shown")
    given = parser.parse_args()
    browser = next(
        (b for n in filter(None, (os.environ.get("OUTGROW_BROWSER"), *BROWSERS)) if (b := shutil.which(n))), None
    )
    if browser is None:
        print("no headless Chromium; install one or set OUTGROW_BROWSER", file=sys.stderr)
        return 2
    from outgrow.reports.html import render
    from outgrow.studies.results import Results

    frames = load("browser")
    results = Results.load(given.run) if given.run else load("conftest").hostile_results()
    page = render(results)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for width in (1280, 360):
            for dark in (False, True):
                file = Path(folder) / "frame.html"
                file.write_text(frames.frame(page, width, given.height), "utf-8")
                target = given.out / f"report-{width}-{'dark' if dark else 'light'}.png"
                command = frames.chromium_command(browser, dark, Path(folder) / "profile")
                # The window stops at 500 px; the frame alone is as narrow as asked, and the rest is cut off below.
                size = f"--window-size={max(width, 500)},{given.height}"
                subprocess.run(
                    [*command, size, f"--screenshot={target}", file.as_uri()],
                    check=True,
                    capture_output=True,
                    timeout=120,
                )
                crop(target, width)
                print(target)
    return 0


def crop(path: Path, width: int) -> None:
    """Cut a picture to the layout width."""
    import matplotlib.image as images

    picture = images.imread(path)
    if picture.shape[1] > width:
        images.imsave(path, picture[:, :width])


if __name__ == "__main__":
    raise SystemExit(main())
