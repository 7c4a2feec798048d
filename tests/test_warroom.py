"""`python -m emulator warroom`, typed into by a person and by a pipe."""

import re
import subprocess

import pytest

from tests.terminal import alive, containers_of, piped, terminal, wait_until

ASK = '!SMSAskUser +14255550182 message="Restart web-07?"'


def scripted(*lines: str) -> str:
    """What a script of `lines` shows, with sequential codes."""
    ended = piped("warroom", "--reply-code-mode", "sequential", typed="\n".join(lines))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def after(shown: str, line: str) -> str:
    """What was shown after `line` was typed, up to the next line, on one line and without frames."""
    said = shown.partition(f"war room: {line}\n")[2].partition("war room: ")[0]
    return " ".join(re.sub("[╭╮╰╯─│]", " ", said).split())


def test_scripted_question_is_answered_and_its_task_resumes() -> None:
    # When a script asks, answers wrongly, then rightly, then again
    shown = scripted(ASK, "+14255550182> please", "+14255550182> 1", "+14255550182> 2")
    # Then each line is followed by what it caused
    assert "PLAYBOOK Task #1 “Restart web-07?” waits for an answer: yes or no" in after(shown, ASK)
    assert "PHONE +14255550182 receives Restart web-07? yes (1) or no (2)" in after(shown, ASK)
    assert "one of the available reply codes: yes (1), no (2)" in after(shown, "+14255550182> please")
    assert re.search(r"resumes with yes, \d+ ms after the reply", after(shown, "+14255550182> 1"))
    assert "1 - Thank you for your response!" in after(shown, "+14255550182> 1")
    assert "PHONE +14255550182 receives You already answered: yes." in after(shown, "+14255550182> 2")
    assert shown.rstrip().endswith("XSOAR, its containers and AWS have stopped.")


def test_scripted_commands_show_what_they_return() -> None:
    # When a script asks at a tagged task, looks, answers without AWS, looks again and notifies
    ask = '!SMSAskUser phone=+14255550182 message="Which | one?" option1=A option2="B C" task=approval_task'
    inject = "!aws-sns-sms-inject-reply phone_number=+14255550182 reply_code=2"
    listing = "!aws-sns-sms-list-entitlements show_answered=true"
    notify = '!send-notification to=+14255550183 message="All clear"'
    shown = scripted(ask, "tasks", inject, listing, notify, "!test-module", "tasks", "quit", "never read")
    # Then every one shows its result, and what comes of it
    assert "Task #1 (approval_task) “Which | one?” waits" in after(shown, "tasks")
    assert 'The reply chose "B C"' in after(shown, inject)
    assert "Task #1 (approval_task) “Which | one?” resumes with B C" in after(shown, inject)
    assert "Message Which | one?" in after(shown, listing)
    assert "ChosenOption B C" in after(shown, listing)
    assert "PHONE +14255550183 receives All clear" in after(shown, notify)
    assert after(shown, "!test-module").endswith("!test-module ok")
    assert "No task waits." in shown
    assert "never read" not in shown


MISTAKES = {
    "hlep": "'hlep' is not understood. Did you mean help?",
    "what is this": "'what' is not understood. Type help for what is.",
    "SMSAskUser +14255550182": "A command starts with '!'. Did you mean !SMSAskUser?",
    "!smsaskusr x": "There is no command !smsaskusr. Did you mean !SMSAskUser?",
    "!frobnicate": "There is no command !frobnicate. Type help for what there is.",
    '!SMSAskUser fone=+14255550182 message="x"': "!SMSAskUser has no argument 'fone'. Did you mean phone?",
    '!SMSAskUser phone=+14255550182 message="x': "The \" that opens the argument 'message' is not closed.",
    "!SMSAskUser phone=+14255550182": "SMSAskUser needs the argument 'message'.",
    "1234": "To answer as a phone, write its number first: +14255550182> 1234",
    "14255550182> 1234": "'14255550182' is no phone number. Write it as +14255550182",
    "+14255550182>": "The reply is empty. Write it after the '>', as in +14255550182> 1234",
    '!SMSAskUser +14255550182 message="x" option1=a option2=A': "Task #1 is gone: the question was not asked.",
}


@pytest.fixture(scope="module")
def corrected() -> str:
    return scripted(*MISTAKES)


@pytest.mark.parametrize("line", MISTAKES)
def test_mistake_gets_a_sentence_that_helps(corrected: str, line: str) -> None:
    assert MISTAKES[line] in after(corrected, line)


def test_script_with_control_characters_cannot_steer_the_terminal() -> None:
    # When a script sends, replies and mistypes control characters
    notify = '!send-notification to=+14255550182 message="a\x1b[31mb\x07"'
    shown = scripted(notify, "+14255550182> \x1b]0;x\x07", "\x1b[2J")
    # Then none of them is printed
    assert "PHONE +14255550182 receives a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}" in " ".join(
        re.sub("[╭╮╰╯─│]", " ", shown).split()
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", shown)


def test_typed_question_is_announced_without_garbling_the_line_being_typed() -> None:
    with terminal("warroom", "--reply-code-mode", "sequential") as room:
        prompt = room.expects("war room:")
        # Given a question asked with the help of Tab
        room.types("!SMSA\t")
        room.expects("!SMSAskUser", prompt)
        room.types(' +14255550182 message="Restart it?"\n')
        asked = room.expects("Its message ID is", prompt)
        # When the phone's answer is typed, and another line begun at once
        room.types("+14255550182> 1\nhel")
        # Then what comes of it is announced, and the line goes on below it
        thanked = room.expects("Thank you for your response!", room.expects("resumes with", asked))
        room.expects("hel", thanked)
        room.types("p\n")
        room.expects("war room:", room.expects("Answer as the phone", thanked))
        # When Ctrl-D is pressed at the next prompt, Then it ends well
        room.types("\x04")
        assert room.ends() == 0
        assert "Traceback" not in room.shown


def test_interrupt_at_the_prompt_ends_with_130_and_no_process() -> None:
    with terminal("warroom") as room:
        # Given a line half typed, and a poller at work
        room.expects("Tab completes")
        wait_until(lambda: containers_of(room.process.pid), "a container")
        containers = containers_of(room.process.pid)
        room.types("!SMSAsk")
        room.expects("!SMSAsk")
        # When Ctrl-C is pressed, Then one line says so and nothing is left
        room.types("\x03")
        assert room.ends() == 130
        assert room.shown.rstrip().endswith("Interrupted: everything has stopped.")
        assert alive(containers) == set()


def test_warroom_killed_with_sigkill_takes_its_containers_along() -> None:
    with terminal("warroom") as room:
        room.expects("Tab completes")
        wait_until(lambda: containers_of(room.process.pid), "a container")
        containers = containers_of(room.process.pid)
        room.process.kill()
        room.ends()
        wait_until(lambda: not alive(containers), "the end of the containers")


def test_unknown_programme_is_explained() -> None:
    ended: subprocess.CompletedProcess[str] = piped("demmo")
    assert ended.returncode == 2
    assert "invalid choice: 'demmo' (choose from" in ended.stderr
