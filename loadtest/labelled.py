"""Writes labelled contents of public sets as the CSV files that `stream-guard policy ... --labelled` takes.

    python -m loadtest.labelled openai_moderation.jsonl --out build --rows 400
    stream-guard policy pack-test loadtest/labelled_policies --labelled build -c guard.yaml

A set is JSON lines with `text` and `labels` (a name to 0 or 1). Of each file that a policy of `labelled_policies/` is the
judge of, so many rows: as many of those that violate any of the policies as there are, up to a half, and the rest benign.
The same seed gives the same rows. These sets are offensive by nature: what is written stays out of the repository.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CATEGORIES = {"hate": ("H0", "H1"), "violence": ("V0", "V1"), "harassment": ("A0", "A1"), "self-harm": ("S0", "S1"),
              "spam": ("SP0", "SP3")}  # fmt: skip
"""Of each policy, the category of a 0 and that of a 1."""


def main() -> None:
    """Writes one file for each policy that any row is labelled for."""
    options = _options()
    rows = [json.loads(line) for line in options.set.read_text(encoding="utf-8").splitlines()]
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = choose(rows, options.rows, options.seed)
    for policy in CATEGORIES:
        labelled = [(row["text"], label) for row in chosen if (label := label_of(row, policy)) is not None]
        if labelled:
            with (options.out / f"{policy}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label"])
                writer.writerows((text, CATEGORIES[policy][label]) for text, label in labelled)
            print(f"{policy}: {len(labelled)} rows, {sum(label for _, label in labelled)} violate")


def label_of(row: dict[str, Any], policy: str) -> int | None:
    """What a row is under a policy: 0, 1, or nobody said."""
    label: int | None = row["labels"].get(policy.replace("-", "_"))
    return label


def choose(rows: Sequence[dict[str, Any]], wanted: int, seed: int) -> list[dict[str, Any]]:
    """So many rows, the violating ones among them."""
    shuffled = random.Random(seed).sample(rows, len(rows))
    violating = [row for row in shuffled if any(label_of(row, policy) == 1 for policy in CATEGORIES)][: wanted // 2]
    benign = [row for row in shuffled if not any(label_of(row, policy) == 1 for policy in CATEGORIES)]
    chosen = [*violating, *benign[: wanted - len(violating)]]
    return random.Random(seed).sample(chosen, len(chosen))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
