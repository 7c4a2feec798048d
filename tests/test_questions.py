"""What a phone gets for what was asked, to the character."""

from collections.abc import Sequence

import pytest

from emulator.incidents import Entry
from tests.stage import SharedWorld, ask, entitlement, error_of, outputs, question, send, texts_of

GUID = "6a4fc3a2-9d1c-4f0e-8f5b-2f6c1d7e9a10"
TOO_LONG = (
    "The SMS would be {} characters long, but at most {} are allowed "
    "(1530 in the GSM-7 alphabet, 630 with any other character). Shorten it. Nothing was sent."
)


@pytest.mark.parametrize(
    "message",
    [
        "First line\nSecond line\n\nFourth line",
        "First line\r\nSecond line",
        "Send the mail - Reply all - or not?",
        "Send - Reply Yes or No: or not?",
        "Stop or go or wait?",
        "Note: two things: this:",
        f"Close the case of {GUID}?",
        f"Is {GUID}@42|7 yours?",
        f"Proceed - Reply a or b: {GUID}@42|7 ?",
        "Réveiller l'équipe 🚒🔥 de garde ? 好",
        "Use {reply_code} {available_codes} {0} {} {{x}} }{ or not?",
        "100% of %s, %d and %(x)s %% sure?",
        "Say \"yes\" \\n 'no' `or` <b>now</b> | & $HOME?",
        "Restart it\nYes (1234) or No (5678)?",
    ],
    ids=[
        "line breaks",
        "Windows line breaks",
        "reply separator",
        "whole format",
        "or",
        "colons",
        "GUID",
        "entitlement inside",
        "format with an entitlement inside",
        "emoji and beyond Latin",
        "braces",
        "percent signs",
        "quotes and markup",
        "what looks like codes",
    ],
)
def test_the_question_arrives_as_it_was_asked_and_is_answered(sequential_world: SharedWorld, message: str) -> None:
    # When the question is asked
    phone = sequential_world.new_phone()
    asked = ask(sequential_world, phone, message)
    # Then the phone gets it, a line break and the codes: no entitlement but the one that was in the question
    assert asked.text == message + "\nYes (1) or No (2)"
    # And its reply resumes the task
    phone.replies("2")
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"],
            "A (1) or B (2) or C (3) or D (4) or E (5) or F (6) or G (7) or H (8) or I (9) or J (10)",
        ),
        (["Understood"], "Understood (1)"),
        (
            ["Yes, 100%", "{chosen_option}", "Ruf später 📞 an", "in 30 minutes"],
            "Yes, 100% (1) or {chosen_option} (2) or Ruf später 📞 an (3) or in 30 minutes (4)",
        ),
        (["Orion", "Doctor no", "for"], "Orion (1) or Doctor no (2) or for (3)"),
        (["A: first", "GUID@x|y"], "A: first (1) or GUID@x|y (2)"),
    ],
    ids=["ten", "one", "odd characters", "or inside words", "colon and entitlement signs"],
)
def test_options_arrive_in_their_order_and_the_last_is_what_xsoar_is_told(
    sequential_world: SharedWorld, options: Sequence[str], line: str
) -> None:
    # Given a message in the format with these options
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    task = incident.add_task(branches=options)
    entry = send(
        sequential_world, phone.number, question("Which one?", options, entitlement(incident, "approval_task|1"))
    )
    # When the phone replies with the last code
    assert phone.expects() == f"Which one?\n{line}"
    assert list(outputs(entry, "AWS.SNS.SMS")["CodesToOptions"].values()) == options
    phone.replies(str(len(options)))
    phone.expects("Thank you")
    # Then XSOAR is told that option, and the tag with its bar
    answer = sequential_world.server.answers[-1]
    assert (answer.content, answer.task) == (options[-1], "approval_task|1")
    assert not task.completed


@pytest.mark.parametrize(
    "message",
    [
        "Go? - Reply Yes or No: {}",
        "Go? - reply Yes OR No:\n{}  \n",
        "Go? - Reply  Yes  or\tNo :{}",
        "Go? - REPLY Yes or No:{}",
    ],
    ids=["plain", "other case, line break before the entitlement", "more blanks", "no blank before the entitlement"],
)
def test_the_format_is_read_whatever_its_case_and_blanks(sequential_world: SharedWorld, message: str) -> None:
    # When a message is written a little otherwise, its GUID in capitals
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    task = incident.add_task(tag="approval")
    guid = entitlement(incident).upper()
    send(sequential_world, phone.number, message.format(f"{guid}|approval"))
    # Then it is the same question
    assert phone.expects() == "Go?\nYes (1) or No (2)"
    phone.replies("1")
    assert task.wait() == "Yes"
    phone.expects("1 - Thank you")


@pytest.mark.parametrize(
    ("longest", "more", "limit"),
    [
        ("x" * 1512, "x", 1530),
        ("é" * 1512, "x", 1530),
        ("{€}" + "x" * 1506, "x", 1530),
        ("\N{RIGHT SINGLE QUOTATION MARK}" + "x" * 611, "x", 630),
        ("🔥" + "x" * 610, "x", 630),
    ],
    ids=["GSM-7", "accents of GSM-7", "GSM-7 that counts twice", "a curly quote", "an emoji that counts twice"],
)
def test_the_longest_question_is_sent_and_one_character_more_is_an_error(
    sequential_world: SharedWorld, longest: str, more: str, limit: int
) -> None:
    # Given a question that fills one SMS together with its codes
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    send(sequential_world, phone.number, question(longest, ("Yes", "No"), entitlement(incident)))
    assert phone.expects() == longest + "\nYes (1) or No (2)"
    # When one character more is asked
    other = sequential_world.new_phone()
    entry = send(sequential_world, other.number, question(longest + more, ("Yes", "No"), entitlement(incident)))
    # Then a sentence says how long it is and what is allowed, no text left and nothing is open
    assert error_of([entry]) == TOO_LONG.format(limit + 1, limit)
    assert texts_of(sequential_world, other) == []
    assert _open_questions(sequential_world, other.number) == []


@pytest.mark.parametrize(
    ("longest", "limit"),
    [("x" * 1530, 1530), ("[" * 765, 1530), ("\N{EM DASH}" * 630, 630), ("🔥" * 315, 630)],
    ids=["GSM-7", "GSM-7 that counts twice", "dashes", "emoji"],
)
def test_a_plain_notification_has_the_same_limit(sequential_world: SharedWorld, longest: str, limit: int) -> None:
    # Given the longest notification
    phone = sequential_world.new_phone()
    send(sequential_world, phone.number, longest)
    assert phone.expects() == longest
    # When it is one character longer
    entry = send(sequential_world, phone.number, longest + "x")
    # Then a sentence says so
    assert error_of([entry]) == TOO_LONG.format(limit + 1, limit)


def _open_questions(world: SharedWorld, number: str) -> list[Entry]:
    (entry,) = world.server.execute("aws-sns-sms-list-entitlements", {"phone_number": number})
    return list(outputs(entry, "AWS.SNS.SMS.Entitlement"))
