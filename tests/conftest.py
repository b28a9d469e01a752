"""What every test gets: no network, one thread, fixed seeds, and a cache folder of its own.

- ``fresh_home``: the path of this test's own, empty OUTGROW_HOME (set for every test that is not marked ``packaged``).
- ``@pytest.mark.packaged`` or ``packaged("wordllama", "vader")``: the test reads packaged archives. It sees the real cache's archives
  and converted models through links, and writes everything else into a folder of the test run. Without the archives it is skipped,
  or fails where OUTGROW_REQUIRE_PACKAGED=1 (``make test``).
- ``@pytest.mark.browser`` and the fixture ``chromium``: headless Chromium; skipped without one, or fails where
  OUTGROW_REQUIRE_BROWSER=1 (``.ci/run``).
- ``@pytest.mark.unreachable``: the test means to meet a dead network; elsewhere an attempt to go out fails the test.
"""

from __future__ import annotations

import os
import random
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

OFFLINE = Path(__file__).parent / "offline"

# Before numpy and torch are imported anywhere: they read these once.
for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[_name] = "1"
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "Agg",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "COLUMNS": "120",
}

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "outgrow",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("outgrow")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_base: Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _base
    config.addinivalue_line("markers", "unreachable: means to meet a dead network")
    real = _real_home()
    _base = Path(tempfile.mkdtemp(prefix="outgrow-tests-"))
    shared = _base / "shared"
    shared.mkdir(mode=0o700)
    for folder in ("archives", "models"):
        if real is not None and os.access(real, os.W_OK):
            (real / folder).mkdir(mode=0o700, exist_ok=True)
            (shared / folder).symlink_to(real / folder)
    os.environ["OUTGROW_HOME"] = str(shared)
    os.environ["OUTGROW_BLOCKED_LOG"] = str(_base / "blocked.log")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
    runpy.run_path(str(OFFLINE / "sitecustomize.py"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if _base is not None:
        shutil.rmtree(_base, ignore_errors=True)


def _real_home() -> Path | None:
    """The user's cache folder, where it exists; tests never make one."""
    named = os.environ.get("OUTGROW_TESTS_HOME") or os.environ.get("OUTGROW_HOME")
    if named:
        path = Path(named).expanduser().absolute()
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "outgrow"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outgrow"
    # A worker of pytest-xdist inherits the environment that the main process has changed already.
    os.environ["OUTGROW_TESTS_HOME"] = str(path)
    return path if path.is_dir() else None


def _missing_archives(names: tuple[str, ...]) -> list[str]:
    from outgrow.tasks.archives import is_fetched
    from outgrow.tasks.pins import PINS

    wanted = names or tuple(name for name, pin in PINS.items() if not pin.opt_in)
    return [name for name in wanted if not is_fetched(name)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("packaged")
    if mark is not None:
        missing = _missing_archives(mark.args)
        if missing:
            reason = f"not in the cache: {', '.join(missing)}; run `make fetch`"
            if os.environ.get("OUTGROW_REQUIRE_PACKAGED") == "1":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
    if item.get_closest_marker("browser") is not None and find_browser() is None:
        reason = "no headless Chromium; install one or set OUTGROW_BROWSER"
        if os.environ.get("OUTGROW_REQUIRE_BROWSER") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def find_browser() -> str | None:
    named = os.environ.get("OUTGROW_BROWSER")
    return next((found for name in ([named] if named else _BROWSERS) if (found := shutil.which(name))), None)


@pytest.fixture
def chromium() -> str:
    """Path of headless Chromium; use with ``@pytest.mark.browser``."""
    found = find_browser()
    assert found is not None, "mark this test with @pytest.mark.browser"
    return found


@pytest.fixture
def fresh_home() -> Path:
    """This test's own cache folder, empty and not made yet."""
    return Path(os.environ["OUTGROW_HOME"])


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    if request.node.get_closest_marker("packaged") is None or "fresh_home" in request.fixturenames:
        monkeypatch.setenv("OUTGROW_HOME", str(tmp_path_factory.mktemp("home") / "cache"))


@pytest.fixture(autouse=True)
def _fixed_seeds():
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest):
    log = Path(os.environ["OUTGROW_BLOCKED_LOG"])
    before = log.stat().st_size if log.exists() else 0
    yield
    after = log.stat().st_size if log.exists() else 0
    if after > before and request.node.get_closest_marker("unreachable") is None:
        tried = log.read_bytes()[before:after].decode("utf-8", "replace").strip()
        pytest.fail(f"the test tried to use the network: {tried}", pytrace=False)
