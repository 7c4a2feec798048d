"""Measures how fast the pack is, and prints a table with each target's verdict.

    python -m benchmarks            the whole, about ten minutes; rewrites docs/performance.md and docs/performance.png
    python -m benchmarks --quick    about a minute, fewer and smaller; writes nothing

The exit code is 0 when a target is missed, which the last line says; 1 when something could not be measured.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.figures import Figure, Samples, figures
from benchmarks.machine import facts
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.report import markdown, terminal
from benchmarks.run import run, steps
from benchmarks.stage import BenchmarkError

DOCS = Path(__file__).resolve().parent.parent / "docs"


def measured(plan: Plan, console: Console) -> Samples:
    """Run the plan behind a progress bar, which is redrawn seldom: it shares the process with the emulated AWS."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, refresh_per_second=2, transient=True) as progress:
        task = progress.add_task("", total=steps(plan))
        first = iter([0])

        def says(title: str) -> None:
            progress.update(task, description=title, advance=next(first, 1))

        return run(plan, says)


def write(rows: Sequence[Figure], machine: Mapping[str, str], plan: Plan) -> None:
    """Rewrite docs/performance.md and the plot beside it."""
    from benchmarks.plot import draw

    (DOCS / "performance.md").write_text(markdown(rows, machine, plan), encoding="utf-8")
    draw(rows, DOCS / "performance.png")


def main(arguments: Sequence[str]) -> int:
    """Run as the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure how fast the pack is.")
    parser.add_argument("--quick", action="store_true", help="about a minute; writes no files")
    quick = parser.parse_args(arguments).quick
    if not quick and not find_spec("matplotlib"):
        sys.stderr.write("error: matplotlib, which draws the plot, is not installed. Use `make bench`.\n")
        return 1
    plan, console, machine = (QUICK if quick else FULL), Console(), facts()
    try:
        rows = figures(measured(plan, console), plan)
    except (AssertionError, BenchmarkError, TimeoutError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    console.print(terminal(rows, machine))
    if not quick:
        write(rows, machine, plan)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
