"""`python -m emulator demo`, as a reader, a pipe and an impatient person see it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.terminal import DEADLINE, ROOT, alive, containers_of, environment, piped, terminal, wait_until


@pytest.fixture(scope="module")
def told() -> "subprocess.CompletedProcess[str]":
    """The story, told once into a pipe."""
    return piped("demo")


def test_piped_demo_ends_well_and_is_plain_at_80_columns(told: "subprocess.CompletedProcess[str]") -> None:
    assert (told.returncode, told.stderr) == (0, "")
    assert "\x1b" not in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert not [line for line in told.stdout.splitlines() if line.endswith(" ")]


def test_piped_demo_tells_the_story_in_order(told: "subprocess.CompletedProcess[str]") -> None:
    # Given the story, one voice a line
    story = " ".join(told.stdout.split())
    # Then each step follows the one before it
    position = 0
    for step in (
        r"Test: ok",
        r"PLAYBOOK Task #1 “Isolate web-07\?” waits",
        r"WAR ROOM",
        r"!SMSAskUser phone=\+14255550182",
        r"PHONE \+14255550182 receives .* Isolate \((\d{4})\) or Watch only \(\d{4}\)",
        r"PHONE \+14255550182 replies",
        r"PLAYBOOK Task #1 “Isolate web-07\?” resumes with Isolate, \d+ ms after the reply",
        r"\d{4} - Thank you for your response!",
        r"Reset \(\d{4}\) or Leave \(\d{4}\)",
        r"yes, please do",
        r"We couldn't process your response",
        r"Reset \(\d{4}\), Leave \(\d{4}\)",
        r"PLAYBOOK Task #3 “Wake the on-call lead\?” waits",
        r"PLAYBOOK Task #3 “Wake the on-call lead\?” resumes with Wait until 8:00, \d+ ms after the reply",
        r"PLAYBOOK Task #2 “Reset the passwords\?” resumes with Reset, \d+ ms after the reply",
        r"PLAYBOOK “Ask by SMS” starts",
        r"Restore \(\d{4}\) or Not yet \(\d{4}\)",
        r"PLAYBOOK Task #4 \(SMSAnswer\) “Wait for the answer” resumes with Restore",
        r"PLAYBOOK “Ask by SMS” ends with SMS.Answer = Restore",
        r"Time is compressed",
        r"PLAYBOOK Task #5 \(SMSAnswer\) “Wait for the answer” resumes with NoResponse",
        r"PLAYBOOK “Ask by SMS” ends with SMS.Answer = NoResponse",
        r"10 texts sent, 4 tasks resumed by a reply",
        r"have stopped",
    ):
        found = re.compile(step, re.DOTALL).search(story, position)
        assert found, f"{step!r} does not follow in:\n{told.stdout}"
        position = found.start() + 1


def test_demo_on_a_terminal_is_in_colour() -> None:
    with terminal("demo") as shown:
        assert shown.ends() == 0
        assert b"\x1b[1;35mPLAYBOOK" in shown.raw
        assert "have stopped" in shown.shown


def test_interrupted_demo_ends_with_130_one_line_and_no_process() -> None:
    with terminal("demo") as shown:
        # Given the story half told, with a container at work
        shown.expects("PLAYBOOK")
        wait_until(lambda: containers_of(shown.process.pid), "a container")
        containers = containers_of(shown.process.pid)
        # When Ctrl-C is pressed
        end = len(shown.shown)
        shown.types("\x03")
        # Then it ends at once, in a line, and nothing is left of it
        assert shown.ends() == 130
        assert shown.shown[end:].rstrip().endswith("Interrupted: everything has stopped.")
        assert "Traceback" not in shown.shown
        assert alive(containers) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_killed_demo_takes_its_containers_along(number: signal.Signals) -> None:
    with terminal("demo") as shown:
        # Given the poller at work
        shown.expects("It polls")
        wait_until(lambda: containers_of(shown.process.pid), "a container")
        containers = containers_of(shown.process.pid)
        # When the programme is killed
        shown.process.send_signal(number)
        shown.ends()
        # Then its containers end too
        wait_until(lambda: not alive(containers), "the end of the containers")
        assert "Traceback" not in shown.shown


def test_demo_that_cannot_start_says_why_and_ends_with_1() -> None:
    told = piped("demo", extra={"XSOAR_CONTENT": "/nowhere"})
    assert told.returncode == 1
    assert "XSOAR_CONTENT is /nowhere, which holds neither" in told.stderr
    assert "Traceback" not in told.stderr


def test_demo_whose_reader_leaves_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-m", "emulator", "demo"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    ) as process:
        os.close(writer)
        assert process.communicate(timeout=DEADLINE)[1] == b""
        assert process.returncode == 1
