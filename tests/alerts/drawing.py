"""Draws the dashboard in its grid, with the data of a run: Grafana is not to be had here, and a dashboard wants to be looked at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.alerts.panels import DASHBOARD, Query, queries
from tests.alerts.prometheus import Prometheus

_COLUMNS = 24
_UNIT_IN = 0.95, 0.42
"""A cell of the grid, in inches."""
_POINTS = 150
_COLOURS = {"green": "#2e9e5b", "yellow": "#d9a406", "orange": "#e8710a", "red": "#d33f49", "gray": "#9aa0a6"}


def draw(prometheus: Prometheus, began: float, ended: float, path: Path) -> None:
    """Writes a PNG. Times are Unix times in seconds."""
    mpl.use("Agg")
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in DASHBOARD["panels"])
    figure = plt.figure(figsize=(_COLUMNS * _UNIT_IN[0], height * _UNIT_IN[1]), dpi=80)
    asked = list(queries(int(ended - began)))
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        inset = 0.0 if panel["type"] == "row" else 0.6
        axes = figure.add_axes((
            (place["x"] + inset) / _COLUMNS, 1 - (place["y"] + place["h"] - inset) / height,
            (place["w"] - 1.3 * inset) / _COLUMNS, (place["h"] - 2.1 * inset) / height,
        ))  # fmt: skip
        of_it = [query for query in asked if query.panel == panel["title"]]
        _PAINTERS[panel["type"]](axes, panel, [_answer(prometheus, q, began, ended) for q in of_it], of_it)
    figure.savefig(path)
    plt.close(figure)


def _answer(prometheus: Prometheus, query: Query, began: float, ended: float) -> list[dict[str, Any]]:
    if query.table:
        found: list[dict[str, Any]] = prometheus.ask("query", query=query.expr, time=ended)["result"]
    else:
        step = f"{max((ended - began) / _POINTS, 1):.0f}s"
        found = prometheus.ask("query_range", query=query.expr, start=began, end=ended, step=step)["result"]
    return found


Answers = list[list[dict[str, Any]]]


def _row(axes: Axes, panel: dict[str, Any], _answers: Answers, _asked: list[Query]) -> None:
    axes.axis("off")
    axes.text(0.005, 0.5, f"▾ {panel['title']}", fontsize=13, weight="bold", va="center")


def _stat(axes: Axes, panel: dict[str, Any], answers: Answers, _asked: list[Query]) -> None:
    values = [float(value) for _, value in answers[0][0]["values"]]
    defaults = panel["fieldConfig"]["defaults"]
    steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or step["value"] <= values[-1]]
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.fill_between(range(len(values)), values, alpha=0.15)
    axes.text(
        0.5, 0.5, _told(values[-1], defaults["unit"], defaults.get("decimals", 1)), transform=axes.transAxes,
        ha="center", va="center", fontsize=24, color=_COLOURS.get(steps[-1]["color"], "black"),
    )  # fmt: skip


def _lines(axes: Axes, panel: dict[str, Any], answers: Answers, asked: list[Query]) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    colours = {
        override["matcher"]["options"]: given["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for given in override["properties"]
        if given["id"] == "color"
    }
    drawn = [
        (_legend(query.legend, series["metric"]), {float(at): float(value) for at, value in series["values"]})
        for query, found in zip(asked, answers, strict=True)
        for series in found
    ]
    times = sorted({at for _, values in drawn for at in values})
    minutes = [(at - times[0]) / 60 for at in times]
    base = [0.0] * len(times)
    for legend, values in drawn:
        ys = [values.get(at, float("nan")) for at in times]
        colour = _COLOURS.get(colours.get(legend, ""))
        if custom["stacking"]["mode"] == "normal":
            top = [low + (0 if value != value else value) for low, value in zip(base, ys, strict=True)]  # noqa: PLR0124 - NaN
            axes.fill_between(minutes, base, top, alpha=0.5, label=legend, color=colour, step="mid")
            base = top
        elif custom["drawStyle"] == "bars":
            axes.bar(minutes, ys, width=0.04, label=legend, color=colour)
        else:
            axes.plot(minutes, ys, label=legend, color=colour, linestyle="--" if legend == "objective" else "-")
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"][1:]:
        if step["value"] < axes.get_ylim()[1]:
            axes.axhline(step["value"], color=_COLOURS[step["color"]], linewidth=0.8)
    _dress(axes, panel)


def _dress(axes: Axes, panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_title(panel["title"], fontsize=10, loc="left")
    if "scaleDistribution" in defaults["custom"]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=defaults.get("min"), top=defaults.get("max"))
    axes.yaxis.set_major_formatter(lambda value, _: _told(value, defaults["unit"], None))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="upper left", ncols=3, framealpha=0.6)


def _heatmap(axes: Axes, panel: dict[str, Any], answers: Answers, _asked: list[Query]) -> None:
    found = sorted(answers[0], key=lambda series: float(series["metric"]["le"]))
    times = sorted({float(at) for series in found for at, _ in series["values"]})
    below, rows = dict.fromkeys(times, 0.0), []
    for series in found:
        values = {float(at): float(value) for at, value in series["values"]}
        rows.append([max(values.get(at, 0.0) - below[at], 0.0) for at in times])
        below |= values
    axes.imshow(rows, aspect="auto", origin="lower", cmap="Oranges", interpolation="nearest")
    axes.set_yticks(range(len(found)), [series["metric"]["le"] for series in found])
    axes.tick_params(labelsize=6)
    axes.set_title(f"{panel['title']} ({panel['fieldConfig']['defaults']['unit']})", fontsize=10, loc="left")


def _table(axes: Axes, panel: dict[str, Any], answers: Answers, _asked: list[Query]) -> None:
    axes.axis("off")
    axes.set_title(panel["title"], fontsize=10, loc="left")
    columns = sorted({label for series in answers[0] for label in series["metric"]})
    cells = [[*(series["metric"].get(c, "") for c in columns), series["value"][1]] for series in answers[0]]
    drawn = axes.table(cells, colLabels=[*columns, "replicas"], loc="upper center", cellLoc="left")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)


_PAINTERS = {"row": _row, "stat": _stat, "timeseries": _lines, "heatmap": _heatmap, "table": _table}


def _legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template).strip()


def _told(value: float, unit: str, decimals: int | None) -> str:
    digits = f".{decimals}f" if decimals is not None else ".4g"
    if unit == "percentunit":
        return f"{value * 100:{digits}}%"
    return f"{value:{digits}}" + {"s": " s", "ops": "/s"}.get(unit, "")
