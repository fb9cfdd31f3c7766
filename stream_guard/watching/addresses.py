"""Where services answer, as people write it."""

from __future__ import annotations

from urllib.parse import urlsplit


def address(text: str) -> str:
    """The address of a service without a trailing slash: `localhost:9464` is one, and so is that of its metrics.

    Raises ValueError for what is none.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise ValueError("must be an address as http://127.0.0.1:9464") from None
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or port == 0
        or not text.isprintable()
        or " " in text
    ):
        raise ValueError("must be an address as http://127.0.0.1:9464")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials: it is shown on the screen")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path: /metrics and /ready are put behind it")
    path = parts.path.rstrip("/").removesuffix("/metrics")
    return f"{parts.scheme}://{parts.netloc}{path}"


def short(addressed: str) -> str:
    """What an address is called beside others."""
    return addressed.partition("://")[2]
