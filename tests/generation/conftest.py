from __future__ import annotations

from pathlib import Path

import pytest

from tiny_llama import save_llama


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))
