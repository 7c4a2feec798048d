"""How the terminal programs show who speaks: the war room in panels, the playbook in lines, phones in bubbles."""

import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from emulator.incidents import DEFAULT_BRANCH, ERROR, Entry, Task

MARKDOWN_TABLE = re.compile(r"((?:^\|.*\|[ ]*\n?)+)", re.MULTILINE)
CELL_BORDER = re.compile(r"(?<!\\)\|")
WIDTH = 78
BUBBLE_WIDTH = 46
RECEIVED_INDENT = 20
WAR_ROOM, PLAYBOOK, PHONE, REPLY, TROUBLE = "cyan", "magenta", "green", "bright_blue", "red"


def terminal() -> Console:
    """The console of this process: in colour on a terminal, plain at 80 columns elsewhere.

    A character that the encoding lacks is shown as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=False)


def printable(text: str) -> str:
    """`text` without characters that would steer the terminal; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


class Story:
    """Prints one voice at a time. Nothing here decides what happened: callers hand over what the emulator holds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(WIDTH, console.width)

    def title(self, text: str, subtitle: str) -> None:
        """Open the programme."""
        self._show(Group(Text(text, style="bold"), Text(subtitle, style="dim")))

    def chapter(self, text: str) -> None:
        """Open a new part."""
        self._show(Rule(Text(text, style="bold"), align="left", style="dim"))

    def note(self, text: str) -> None:
        """Say something that no one in the story says."""
        self._show(Text(printable(text), style="dim"))

    def trouble(self, text: str) -> None:
        """Say what is wrong, in a sentence."""
        self._show(Text(printable(text), style=TROUBLE))

    def playbook(self, *parts: str | tuple[str, str]) -> None:
        """Let the playbook speak: texts, or (text, style)."""
        line = Table.grid(padding=(0, 2))
        line.add_row(Text("PLAYBOOK", style=f"bold {PLAYBOOK}"), Text.assemble(*parts))
        self._show(line)

    def waits(self, task: Task) -> None:
        """Show a task that waits for its answer."""
        self.playbook(f"{_named(task)} waits for an answer:\n", " or ".join(map(printable, task.branches)))

    def resumes(self, task: Task, milliseconds: float | None) -> None:
        """Show a task that was completed, and how long after the reply that led to it."""
        taken = task.branch if task.branch != DEFAULT_BRANCH else f"{task.content} (no branch of that name: else)"
        after = "" if milliseconds is None else f", {milliseconds:.0f} ms after the reply"
        self.playbook(f"{_named(task)} resumes with\n", (printable(taken or ""), "bold"), after)

    def war_room(self, line: str, entries: Sequence[Entry], place: str) -> None:
        """Show a command line and the entries it left in the war room of `place`."""
        said: list[RenderableType] = [Text(printable(line), style=f"bold {WAR_ROOM}")] if line else []
        for entry in entries:
            said += [Text(""), _entry(entry)] if said else [_entry(entry)]
        self._show(self._panel(Group(*said), f"WAR ROOM  {place}", WAR_ROOM, self._width))

    def receives(self, phone: str, text: str) -> None:
        """Show a text as the phone gets it."""
        self._show(
            Padding(self._bubble(text, f"PHONE {phone} receives", PHONE), (0, 0, 0, RECEIVED_INDENT), expand=False)
        )

    def replies(self, phone: str, text: str) -> None:
        """Show a text that a person sends back."""
        bubble = self._bubble(text, f"PHONE {phone} replies", REPLY)
        indent = max(0, self._width - (bubble.width or 0))
        self._show(Padding(bubble, (0, 0, 0, indent), expand=False))

    def examples(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Show what can be typed, by what it is for; each on one line, so that it can be pasted."""
        for purpose, lines in groups.items():
            self._show(Group(Text(purpose), *(Text(f"  {line}", style=f"bold {WAR_ROOM}") for line in lines)))

    def _bubble(self, text: str, title: str, colour: str) -> Panel:
        widest = max(len(line) for line in [title + "  ", *_wrapped(text)])
        return self._panel(Text(printable(text)), title, colour, min(widest + 4, self._width))

    def _panel(self, content: RenderableType, title: str, colour: str, width: int) -> Panel:
        heading = Text(title, style=f"bold {colour}")
        return Panel(content, title=heading, title_align="left", box=box.ROUNDED, border_style=colour, width=width)

    def _show(self, what: RenderableType) -> None:
        with self._console.capture() as capture:
            self._console.print(what, width=self._width)
        lines = (line.rstrip(" ") for line in capture.get().split("\n"))
        self._console.file.write("\n".join(lines) + "\n")
        self._console.file.flush()


def _wrapped(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in textwrap.wrap(line, BUBBLE_WIDTH - 4)] or [""]


def _named(task: Task) -> str:
    tag = f" ({task.tag})" if task.tag else ""
    return f"Task #{task.number}{tag} “{printable(task.name)}”"


def _entry(entry: Mapping[str, Any]) -> RenderableType:
    text = printable(str(entry.get("HumanReadable") or entry.get("Contents") or ""))
    if entry.get("Type") == ERROR:
        return Text(text, style=TROUBLE)
    if not entry.get("HumanReadable") and entry.get("ContentsFormat") != "markdown":
        return Text(text)
    return Group(*(_table(part) if part.startswith("|") else Markdown(part) for part in MARKDOWN_TABLE.split(text)))


def _table(markdown: str) -> RenderableType:
    """A markdown table as one block of names and values for each row: ten columns do not fit a terminal."""
    headers, _, *rows = (_cells(line) for line in markdown.strip().splitlines())
    blocks: list[RenderableType] = []
    for row in rows:
        block = Table.grid(padding=(0, 2))
        for name, value in zip(headers, row, strict=False):
            block.add_row(Text(name, style="dim"), Text(value))
        blocks += [Text(""), block]
    return Group(*blocks)


def _cells(line: str) -> list[str]:
    cells = CELL_BORDER.split(line.strip().removeprefix("|").removesuffix("|"))
    return [re.sub(r"\\(.)", r"\1", cell.strip()).replace("<br>", "\n") for cell in cells]
