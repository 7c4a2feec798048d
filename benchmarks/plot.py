"""docs/performance.png: how far each target is, the rates of a burst, and two curves of growth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.figures import ASKING, BURST, GROWTH, Figure, Target, number

matplotlib.use("Agg")
from matplotlib import pyplot

GREEN, RED, BLUE, GREY = "#2a8a4a", "#c0392b", "#2c6fae", "#9aa5b1"
SIZE, DOTS = (12, 7.6), 110  # inches, dots per inch


def draw(rows: Sequence[Figure], path: Path) -> None:
    """Write the plot as a PNG."""
    pyplot.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = pyplot.figure(figsize=SIZE, layout="constrained")
    above, below = figure.subfigures(2, 1, hspace=0.05)
    targets, rates = above.subplots(1, 2, width_ratios=(1.5, 1))
    replies, questions = below.subplots(1, 2)
    _targets(targets, [row for row in rows if row.target])
    _rates(rates, [row for row in rows if row.section == BURST and row.unit == "/s"])
    _curve(replies, _of(rows, GROWTH, "CPU"), "CPU of the poller, ms a reply")
    _curve(questions, _of(rows, ASKING, "time"), "Asking, ms a question")
    figure.savefig(path, dpi=DOTS, metadata={"Software": None})
    pyplot.close(figure)


def _of(rows: Sequence[Figure], section: str, name: str) -> list[Figure]:
    return [row for row in rows if (row.section, row.name) == (section, name)]


def _targets(axes: Any, rows: Sequence[Figure]) -> None:
    """A bar is how much of its target a figure takes up, so that what ends left of the line is met."""
    used = [_used(row.median, row.target) for row in rows if row.target]
    names = [f"{row.section.partition(',')[0]}: {row.name}" for row in rows]
    bars = axes.barh(names, used, color=[GREEN if row.met else RED for row in rows], height=0.62)
    for bar, row in zip(bars, rows, strict=True):
        middle = bar.get_y() + bar.get_height() / 2
        axes.annotate(f"{row} ({row.target})", (1, middle), xycoords=("axes fraction", "data"), ha="right", va="center")
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set(xscale="log", xlim=(min(0.1, *used) / 2, 25 * max(1, *used)))
    axes.set_xlabel("part of the target that is used up; what ends left of the line meets it")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.invert_yaxis()
    axes.set_title("Targets", loc="left", weight="bold")


def _used(value: float, target: Target) -> float:
    return value / target.limit if target.at_most else target.limit / value


def _rates(axes: Any, rows: Sequence[Figure]) -> None:
    floors = ["floor" in row.name or "naive" in row.name for row in rows]
    bars = axes.barh(
        [row.name for row in rows],
        [row.median for row in rows],
        color=[GREY if is_floor else BLUE for is_floor in floors],
        height=0.62,
    )
    axes.bar_label(bars, [f" {number(row.median)}" for row in rows], fontsize=9)
    axes.set(xscale="log", xlim=(0.3, 6 * max(row.median for row in rows)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.invert_yaxis()
    axes.set_title("Burst: replies a second", loc="left", weight="bold")


def _curve(axes: Any, rows: Sequence[Figure], title: str) -> None:
    """Median by how many questions were open, with the lowest and highest round, and three times the first."""
    places = list(range(len(rows)))
    middle = [row.median for row in rows]
    below = [row.median - min(row.values) for row in rows]
    above = [max(row.values) - row.median for row in rows]
    axes.errorbar(places, middle, (below, above), color=BLUE, marker="o", linewidth=2, capsize=4)
    axes.axhline(3 * middle[0], color=GREY, linestyle="--", linewidth=1)
    axes.annotate("three times the first", (-0.15, 3 * middle[0]), (0, 3), textcoords="offset points", color="#5c6670")
    for place, row in zip(places, rows, strict=True):
        axes.annotate(number(row.median), (place, row.median), (8, -11), textcoords="offset points")
    axes.set_xticks(places, [f"{row.open:,} open" for row in rows])
    axes.set(yscale="log", xlim=(-0.2, len(rows) - 0.7), ylim=(min(middle) / 2, 2 * max(3 * middle[0], *middle)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, loc="left", weight="bold")
