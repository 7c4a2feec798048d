"""What the terminal programmes print for a given event."""

import io

import pytest
from rich.console import Console

from emulator.incidents import Entry, Task
from emulator.story import Story, printable


class Page:
    """A story told to a file of `width` columns."""

    def __init__(self, width: int = 80, encoding: str = "utf-8") -> None:
        self._file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")
        self.story = Story(Console(file=self._file, width=width, highlight=False))

    @property
    def text(self) -> str:
        self._file.flush()
        buffer = self._file.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self._file.encoding)


@pytest.fixture
def page() -> Page:
    return Page()


def note(text: str) -> Entry:
    return {"Type": 1, "ContentsFormat": "markdown", "Contents": {}, "HumanReadable": text}


def test_control_characters_become_replacements_and_line_breaks_stay() -> None:
    assert printable("a\x1b[2J\tb\nç 🙂") == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}b\nç 🙂"


def test_text_and_reply_stand_on_two_sides(page: Page) -> None:
    # When a phone receives a text and replies
    page.story.receives("+14255550182", "Proceed?\nYes (1234) or No (5678)")
    page.story.replies("+14255550182", "1234")
    # Then the text stands left of the reply, each in a bubble that names the phone
    assert page.text == (
        "                    ╭─ PHONE +14255550182 receives ─╮\n"
        "                    │ Proceed?                      │\n"
        "                    │ Yes (1234) or No (5678)       │\n"
        "                    ╰───────────────────────────────╯\n"
        "\n"
        "                                              ╭─ PHONE +14255550182 replies ─╮\n"
        "                                              │ 1234                         │\n"
        "                                              ╰──────────────────────────────╯\n"
        "\n"
    )


def test_square_brackets_and_stars_of_a_text_are_shown_as_they_are(page: Page) -> None:
    page.story.receives("+14255550182", "[bold]not bold[/bold] *as is*")
    assert "[bold]not bold[/bold] *as is*" in page.text


def test_task_resumes_with_its_branch_and_time(page: Page) -> None:
    task = Task("4", "Isolate?", "approval_task", ("Yes", "No"))
    task.complete("yes")
    page.story.resumes(task, 41.7)
    assert page.text == (
        "PLAYBOOK  Task #4 (approval_task) “Isolate?” resumes with\n          Yes, 42 ms after the reply\n\n"
    )


def test_task_without_a_branch_for_the_answer_says_so(page: Page) -> None:
    task = Task("4", "Isolate?", "", ("Yes", "No"))
    task.complete("Maybe")
    page.story.resumes(task, None)
    assert "Maybe (no branch of that name: else)\n" in page.text


def test_table_of_an_entry_becomes_a_block_for_each_row(page: Page) -> None:
    # When an entry holds a table with an escaped bar and a line break in a cell
    table = "### Entitlements\n|Message|Codes|\n|---|---|\n| A \\| B | Yes (1)<br>No (2) |\n| C | D |\n"
    page.story.war_room("!list", [note(table)], "incident 1")
    # Then names and values stand beside each other
    lines = [line.strip("│ ") for line in page.text.splitlines()]
    assert lines[lines.index("Message  A | B") :][:5] == [
        "Message  A | B",
        "Codes    Yes (1)",
        "No (2)",
        "",
        "Message  C",
    ]


def test_error_entry_is_shown_as_it_is(page: Page) -> None:
    page.story.war_room("!x", [{"Type": 4, "ContentsFormat": "text", "Contents": "a_b_c *d*"}], "incident 1")
    assert "│ a_b_c *d* " in page.text


def test_narrow_page_is_kept_within_its_columns() -> None:
    page = Page(width=40)
    page.story.receives("+14255550182", "Five accounts signed in on web-07. Reset their passwords?")
    page.story.war_room("!SMSAskUser phone=+14255550182 message=x", [note("Sent.")], "incident 1")
    assert max(map(len, page.text.splitlines())) <= 40


def test_page_in_ascii_has_frames_of_ascii() -> None:
    page = Page(encoding="ascii")
    page.story.replies("+14255550182", "1234")
    assert "+- PHONE +14255550182 replies -+" in page.text
