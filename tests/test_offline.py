"""The tests themselves cannot reach a network, nor can a process they start."""

import os
import socket
import subprocess
import sys

import pytest


@pytest.mark.unreachable
def test_a_connection_is_refused_and_noted():
    with socket.socket() as plain, pytest.raises(ConnectionRefusedError, match="may not use the network"):
        plain.connect(("127.0.0.1", 9))
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.org", 80)
    with open(os.environ["OUTGROW_BLOCKED_LOG"]) as log:
        assert "127.0.0.1" in log.read()


@pytest.mark.unreachable
def test_a_subprocess_is_refused_too():
    code = "import urllib.request as u; u.urlopen('http://127.0.0.1:9/x', timeout=5)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "may not use the network" in done.stderr


def test_pipes_between_processes_still_work():
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"


def test_each_test_has_its_own_empty_home(fresh_home):
    assert not fresh_home.exists()
    assert os.environ["OUTGROW_HOME"] == str(fresh_home)
