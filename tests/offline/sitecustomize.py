"""Refuse the network, here and in every Python process a test starts (this folder is on their PYTHONPATH).

A refused call looks like an unreachable network to the caller, and leaves a line in the file that OUTGROW_BLOCKED_LOG names,
so that a test which tried to go out fails even where the caller swallows the error. An audit hook sees every road to the
system calls, also that of libraries which took hold of ``socket.socket`` before.
"""

import os
import sys


def _refuse(event, args):
    if not event.startswith("socket."):
        return
    import socket

    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if args[0].family != socket.AF_UNIX and args[1] is not None:
            raise ConnectionRefusedError(111, _noted(event, args[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        raise socket.gaierror(socket.EAI_NONAME, _noted(event, args[0]))


def _noted(event, address):
    with open(os.environ["OUTGROW_BLOCKED_LOG"], "a", encoding="utf-8") as file:
        file.write(f"{event} {address!r} by {sys.argv[:2]}\n")
    return f"tests may not use the network ({event} {address!r})"


if os.environ.get("OUTGROW_BLOCKED_LOG"):
    sys.addaudithook(_refuse)
