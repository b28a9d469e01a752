"""The journal: whole lines from several processes, torn ones passed over."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from outgrow.errors import StoreError
from outgrow.store import Journal


def events(journal: Journal) -> list[str]:
    return [line["event"] for line in journal.read()]


def test_lines_come_back_in_order_with_their_fields(tmp_path):
    journal = Journal(tmp_path / "run" / "journal.jsonl")
    assert journal.read() == []
    journal.write("start", study="a\nb ü \u2028")
    journal.write("shard", shard=np.int64(3), of=4)
    first, second = journal.read()
    assert (first["event"], first["study"]) == ("start", "a\nb ü \u2028")
    assert (second["shard"], second["of"]) == (3, 4)
    assert abs(second["time"] - time.time()) < 60
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("torn", [b'{"event": "x', b'{"event": "\xc3', b"{", b'{"event": "x"', b"\x00" * 40])
def test_a_torn_last_line_is_passed_over_and_the_next_one_is_whole(tmp_path, torn):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("one")
    with journal.path.open("ab") as file:
        file.write(torn)
    assert events(journal) == ["one"]
    journal.write("two")
    assert events(journal) == ["one", "two"]
    before = journal.path.read_bytes()
    journal.write("three")
    assert journal.path.read_bytes().startswith(before)


def test_a_line_that_is_no_mapping_is_passed_over(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.write_text('3\n[]\nnull\n{"event": "x"}\n\n')
    assert events(journal) == ["x"]


def test_several_processes_append_whole_lines(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from outgrow.store import Journal
        journal = Journal(Path(sys.argv[1]))
        for i in range(60):
            journal.write("line", who=sys.argv[2], i=i, pad="x" * 3000)
    """
    path = tmp_path / "journal.jsonl"
    children = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path), who]) for who in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    lines = Journal(path).read()
    assert len(lines) == len(path.read_text().splitlines()) == 180
    for who in "abc":
        assert [line["i"] for line in lines if line["who"] == who] == list(range(60))


def test_a_line_that_was_written_survives_sigkill(tmp_path):
    code = """
        import os, signal, sys
        from pathlib import Path
        from outgrow.store import Journal
        Journal(Path(sys.argv[1])).write("done", i=1)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "journal.jsonl"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)])
    assert done.returncode == -signal.SIGKILL
    assert events(Journal(path)) == ["done"]


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("one")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    with pytest.raises(StoreError, match="No space left on device; free space there"):
        journal.write("two")
    monkeypatch.undo()
    assert events(journal) == ["one"]
    journal.write("three")
    assert events(journal) == ["one", "three"]
