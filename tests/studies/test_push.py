"""Pushing a student: what goes before the network, and a whole upload to a stand-in for the Hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.errors import FetchError, InputError, StoreError
from outgrow.studies.student import Student
from outgrow.tasks.rows import Rows

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(60, 3))
    head = outgrow.LinearHead(on="inputs", penalty=0.1).fit(Rows.from_arrays(inputs=x), np.where(x[:, 0] > 0, "b", "a"))
    return Student(head, None, None, "inputs", {"study": "s"}).save(tmp_path / "student")


@pytest.mark.parametrize("name", ["", "movies", "org/", "/name", "a/b/c", "org/na me", "org/..", "org/a--b", 3])
def test_names(saved: Path, name: str) -> None:
    with pytest.raises(InputError, match="names no repository of the Hub; give org/name"):
        outgrow.push(saved, name)


def test_no_student(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no student in .*student\.json is missing"):
        outgrow.push(tmp_path / "nowhere", "org/name")
    (saved / "rows.parquet").symlink_to(saved / "student.json")
    with pytest.raises(StoreError, match=r"'rows\.parquet' in .* is a link"):
        outgrow.push(saved, "org/name")
    (saved / "rows.parquet").unlink()
    (saved / "README.md").unlink()
    (saved / "student.json").write_text("{}")
    with pytest.raises(StoreError, match=r"is damaged \(KeyError\); run its study again"):
        outgrow.push(saved, "org/name")


def test_offline(saved: Path) -> None:
    with pytest.raises(FetchError, match="cannot be pushed to 'org/name' because HF_HUB_OFFLINE or TRANS"):
        outgrow.push(saved, "org/name", token="x")


SCRIPT = r"""
import base64, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
student, mode = Path(sys.argv[1]), sys.argv[2]
seen = {"create": None, "files": {}}

class Hub(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass
    def answer(self, value, code=200):
        raw = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    def do_GET(self):
        about = {"id": "org/name", "modelId": "org/name", "private": mode != "public", "sha": "0" * 40, "siblings": [], "tags": []}
        self.answer(about)
    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen["token"] = self.headers.get("Authorization")
        if mode == "denied":
            return self.answer({"error": "no secret-word here"}, 403)
        if self.path == "/api/repos/create":
            seen["create"] = json.loads(raw)
            self.answer({"url": os.environ["HF_ENDPOINT"] + "/org/name", "name": "org/name"})
        elif "/preupload/" in self.path:
            files = json.loads(raw)["files"]
            self.answer({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "/commit/" in self.path:
            for line in raw.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    seen["files"][entry["value"]["path"]] = entry["value"]["content"]
            self.answer({"commitUrl": os.environ["HF_ENDPOINT"] + "/org/name/commit/" + "1" * 40, "commitOid": "1" * 40, "success": True})
        else:
            self.answer({"warnings": [], "errors": []})

server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:%d" % server.server_address[1]
import outgrow
from outgrow.errors import OutgrowError
try:
    said = outgrow.push(student, "org/name", token="hf_made_up")
except OutgrowError as error:
    said = type(error).__name__ + ": " + str(error)
server.shutdown()
same = all(base64.b64decode(c) == (student / p).read_bytes() for p, c in seen["files"].items())
print(json.dumps({"said": said, "create": seen["create"], "files": sorted(seen["files"]), "same": same, "token": seen.get("token")}))
"""


@pytest.mark.parametrize("mode", ["good", "public", "denied"])
def test_a_whole_upload(saved: Path, tmp_path: Path, mode: str) -> None:
    (saved / "notes.txt").write_text("what else lies there")
    # The stand-in listens on this machine's own address, which the tests' guard refuses.
    env = {k: v for k, v in os.environ.items() if k not in ("OUTGROW_BLOCKED_LOG", *OFFLINE)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(saved), mode],
        capture_output=True,
        text=True,
        timeout=300,
        env=env | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["token"] == "Bearer hf_made_up", told["said"]
    if mode == "denied":
        assert told["said"].startswith(
            "FetchError: the student could not be pushed to 'org/name' (HTTP 403); the token may"
        )
        assert "secret-word" not in done.stdout + done.stderr
    elif mode == "public":
        assert told["said"].startswith("InputError: the repository 'org/name' is there already and public")
        assert told["files"] == []
    else:
        assert told["create"]["name"] == "name"
        assert told["create"].get("private", told["create"].get("visibility")) in (True, "private")
        assert told["files"] == ["README.md", "head/head.json", "head/head.safetensors", "student.json"]
        assert told["same"]
