from __future__ import annotations

import pytest

from stream_guard.watching.addresses import address, short


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://127.0.0.1:9464", "http://127.0.0.1:9464"),
        ("localhost:9464", "http://localhost:9464"),
        ("http://localhost:9464/", "http://localhost:9464"),
        ("http://localhost:9464/metrics", "http://localhost:9464"),
        (" https://guard.example/eu/metrics/ ", "https://guard.example/eu"),
        ("http://[::1]:9464", "http://[::1]:9464"),
    ],
)
def test_an_address_is_taken_as_people_write_it(written: str, meant: str) -> None:
    """With a scheme or without, of the service or of its metrics."""
    assert address(written) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "must be an address"),
        ("ftp://localhost:9464", "must be an address"),
        ("http://", "must be an address"),
        ("http://localhost:0", "must be an address"),
        ("http://localhost:70000", "must be an address"),
        ("http://local host:9464", "must be an address"),
        ("http://local\x1b[2Jhost:9464", "must be an address"),
        ("http://me:secret@localhost:9464", "must not hold credentials"),
        ("http://localhost:9464/metrics?name=x", "must end with its path"),
        ("http://localhost:9464/#top", "must end with its path"),
    ],
)
def test_what_is_no_address_is_refused_and_not_quoted(written: str, why: str) -> None:
    """The refusal says what is wrong, and repeats no secret."""
    with pytest.raises(ValueError, match=why) as refused:
        address(written)
    assert "secret" not in str(refused.value)


def test_beside_others_an_address_is_called_without_its_scheme() -> None:
    """What all have says nothing."""
    assert short("http://127.0.0.1:9464") == "127.0.0.1:9464"
