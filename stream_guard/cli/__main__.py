"""`python -m stream_guard.cli`: the same as the command."""

from __future__ import annotations

from stream_guard.cli import main

if __name__ == "__main__":
    main()
