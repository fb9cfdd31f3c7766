"""At which addresses processes listen."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_LISTENS = "0A"


class Address(NamedTuple):
    """Where somebody listens for TCP."""

    host: str
    port: int


def listening(processes: Iterable[int]) -> set[Address]:
    """The addresses of TCP at which any of these processes listens. Linux."""
    held = {inode for process in processes for inode in _sockets(process)}
    return {address for table in ("tcp", "tcp6") for inode, address in _table(table) if inode in held}


def _sockets(process: int) -> Iterator[str]:
    try:
        links = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return
    for link in links:
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _table(name: str) -> Iterator[tuple[str, Address]]:
    for line in Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == _LISTENS:
            host, port = local.split(":")
            words = [host[at : at + 8] for at in range(0, len(host), 8)]
            raw = b"".join(struct.pack("=I", int(word, 16)) for word in words)
            family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
            yield inode, Address(str(ipaddress.ip_address(socket.inet_ntop(family, raw))), int(port, 16))
