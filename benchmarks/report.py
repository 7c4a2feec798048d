"""The figures as a table for the terminal and as docs/performance.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.figures import Figure
from benchmarks.plan import Plan

VERDICTS = {None: "", True: "met", False: "missed"}
COLORS = {"": "", "met": "green", "missed": "bold red"}

HOW = """\
Written by `make bench`: {rounds} rounds, each with one of everything, so that what is compared ran minutes apart at
most. A figure is the median of the rounds, beside it the lowest and the highest; a ratio is made round by round. The
poller and the commands are container processes of the emulated server and reach the emulated AWS (moto, in one other
process) over 127.0.0.1. That AWS is nearer than the real one and does one thing at a time, so the ratios say more than
the rates.

- **Idle latency**: {idle_replies} replies, each published once the poller waits again, feedback on.
- **Burst**: {burst} replies wait on the queue, {burst} questions are open. Timed from the poller's first
  receive to the last delete, with feedback on to the last text. The floor is a bare loop in the same kind of
  container with the same kind of client ([floor.py](../benchmarks/programs/floor.py)), run before and after
  each burst; with texts it sends one for each message too, from ten threads. The naive poller
  ([naive.py](../benchmarks/programs/naive.py)) is one of our own that handles one message at a time, makes a
  client for each call and sleeps {naive_pause} seconds after each batch of ten; as it is slow it gets
  {naive_replies} replies only.
- **Growth**: {growth_replies} replies, feedback off; where fewer questions are open than that, in several waves, each
  with a new poller. CPU is that of the poller's process from its first receive on, without its start. Context reads and
  writes are calls on the server, and what they move is keys and values both ways.
- **Asking**: {asks} questions by the integration's `main` in one process, which makes its AWS client anew each time,
  as a command does. The start is that of a container: from the first line of the integration's code to the first
  request that reaches AWS; beside it the same of a script that imports boto3 and makes one client.

Open questions are one for each phone, each in an incident of its own, written into the context in the integration's own
form.
"""


@dataclass(frozen=True)
class Line:
    """A row of a table: figures of one name, and target and verdict of the one that has them."""

    name: str
    cells: tuple[str, ...]
    target: str
    verdict: str


@dataclass(frozen=True)
class Section:
    """One table; `columns` are the titles of the lines' cells."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def sections(rows: Sequence[Figure]) -> list[Section]:
    """A table for each measurement; where the number of open questions varies it has a column for each."""
    return [_section(title, list(members)) for title, members in groupby(rows, attrgetter("section"))]


def _section(title: str, rows: Sequence[Figure]) -> Section:
    counts = sorted({row.open for row in rows if row.open is not None})
    columns = tuple(f"{count:,} open" for count in counts) or ("Median", "Rounds")
    by_name = [list(members) for _, members in groupby(rows, attrgetter("name"))]
    return Section(title, columns, tuple(_line(members, counts) for members in by_name))


def _line(members: Sequence[Figure], counts: Sequence[int]) -> Line:
    by_count = {member.open: member for member in members}
    cells = tuple(str(by_count.get(count, "")) for count in counts) or (str(members[0]), members[0].spread)
    aimed = next((member for member in members if member.target), members[0])
    return Line(members[0].name, cells, str(aimed.target or ""), VERDICTS[aimed.met])


def summary(rows: Sequence[Figure]) -> str:
    """One sentence, which names what was missed."""
    targets = [row for row in rows if row.target]
    missed = [f"{row.section}: {row.name} is {row}, target {row.target}" for row in targets if not row.met]
    if not missed:
        return f"All {len(targets)} targets are met."
    return f"{len(missed)} of {len(targets)} targets are missed. {'. '.join(missed)}."


def terminal(rows: Sequence[Figure], machine: Mapping[str, str]) -> Group:
    """The tables, the machine and the summary."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    missed = any(row.met is False for row in rows)
    last = Text(summary(rows), style="bold red" if missed else "bold green")
    return Group(*map(_table, sections(rows)), Text(f"\n{facts}", style="dim"), last)


def _table(section: Section) -> Table:
    table = Table(title=f"\n{section.title}", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("", width=24 if len(section.columns) > 2 else 36)
    for column in section.columns:
        table.add_column(column, justify="right", min_width=10)
    table.add_column("Target", no_wrap=True, min_width=8)
    table.add_column("", no_wrap=True, min_width=6)
    for line in section.lines:
        table.add_row(line.name, *line.cells, line.target, Text(line.verdict, style=COLORS[line.verdict]))
    return table


def markdown(rows: Sequence[Figure], machine: Mapping[str, str], plan: Plan) -> str:
    """docs/performance.md; the plot stands beside it."""
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine.items())
    tables = "\n".join(map(_markdown_table, sections(rows)))
    return (
        f"# Performance\n\n![Ratios against their targets, and growth](performance.png)\n\n{summary(rows)}\n"
        f"\n{tables}\n## How it was measured\n\n{HOW.format(burst=f'{plan.burst_replies:,}', **vars(plan))}"
        f"\n| The machine | |\n|---|---|\n{facts}\n"
    )


def _markdown_table(section: Section) -> str:
    header = ["", *section.columns, "Target", "Verdict"]
    lines = [header, ["---", *["--:"] * len(section.columns), "---", "---"]]
    lines += [[line.name, *line.cells, line.target, _loud(line.verdict)] for line in section.lines]
    return f"## {section.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _loud(verdict: str) -> str:
    return f"**{verdict}**" if verdict == "missed" else verdict
