"""What a phone network, a machine at the other end and a stranger can do to a conversation, as the phones see it."""

import json
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from emulator.aws_protocol import Request
from emulator.cloud import Cloud
from emulator.incidents import ERROR, NOTE, Entry
from emulator.phone import Phone
from emulator.world import PACK, World
from tests.stage import (
    CLOSED,
    FAILURE,
    SOMEONE_ELSE,
    SharedWorld,
    ask_also,
    ask_directly,
    entitlement,
    error_of,
    only,
    outputs,
    question,
    readable,
    send,
    texts_of,
)

NewWorld = Callable[..., World]
SEQUENTIAL = {"replyCodeMode": "sequential", "pollInterval": "1"}
RECEIVE, DELETE = "ReceiveMessage", "DeleteMessageBatch"
WARNING = 11
ANSWERED_YES = "You already answered: Yes."


class Calendar:
    """The clock of AWS: `date` stands in the Date header of all it answers, whatever the clock of the host says."""

    date = "Wed, 01 Jul 2026 12:00:00 GMT"


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    calendar = Calendar()
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: calendar.date)
    return calendar


def arrives(world: World, phone: Phone, text: str, timestamp: str) -> None:
    """A reply of the phone reaches the queue now, in an envelope that SNS stamped then."""
    payload = json.dumps({"originationNumber": phone.number, "messageBody": text})
    world.cloud.send_raw_to_queue(
        json.dumps({"Type": "Notification", "MessageId": timestamp, "Message": payload, "Timestamp": timestamp})
    )


def slips_through(world: World, phone: Phone, *texts: str) -> None:
    """Texts that AWS would handle itself reach the topic all the same, as with self-managed opt-outs."""
    for text in texts:
        world.cloud.publish_to_topic(json.dumps({"originationNumber": phone.number, "messageBody": text}))


def row(world: World, phone: Phone, **arguments: str) -> dict[str, Any]:
    """What list-entitlements shows of the newest question of the phone."""
    given = {"phone_number": phone.number, **arguments}
    entry = only(world.server.execute("aws-sns-sms-list-entitlements", given))
    first: dict[str, Any] = outputs(entry, "AWS.SNS.SMS.Entitlement")[0]
    return first


def inject(world: World, phone: Phone, reply: str) -> Entry:
    given = {"phone_number": phone.number, "reply_code": reply}
    return only(world.server.execute("aws-sns-sms-inject-reply", given))


def wait_until_handled(world: World) -> None:
    """Wait until every reply has left the queue and the poller asks for the next one."""

    def waits() -> bool:
        steps = [item.operation for item in world.cloud.requests() if item.operation in (DELETE, RECEIVE)]
        return world.cloud.queue_depth() == 0 and steps[-1:] == [RECEIVE]

    world.wait_until(waits, "an idle poller")


def assert_nothing_more_comes(world: World, *phones: Phone) -> None:
    """Every reply has been handled, and no phone has a text to read."""
    wait_until_handled(world)
    assert [text for phone in phones for text in phone.unexpected()] == []


# A reply older than the question


def test_a_late_code_is_told_what_it_answered_and_never_answers_the_question_that_has_its_number_now(
    new_world: NewWorld, calendar: Calendar
) -> None:
    # Given a question that 1 answered at noon, and one asked a minute later, whose code for Yes is 1 again
    world = new_world(SEQUENTIAL)
    world.start_poller()
    phone = world.phone("+14255550182")
    ask_directly(world, phone)
    arrives(world, phone, "1", "2026-07-01T12:00:20.000Z")
    phone.expects("1 - Thank you")
    calendar.date = "Wed, 01 Jul 2026 12:01:00 GMT"
    asked = ask_directly(world, phone)
    assert asked.codes == {"Yes": "1", "No": "2"}
    # When codes that reached AWS between the two arrive now
    arrives(world, phone, "1", "2026-07-01T12:00:21.000Z")
    assert phone.expects() == ANSWERED_YES
    arrives(world, phone, "2", "2026-07-01T12:00:57.999Z")
    # Then each is told what was answered, and the new question is open until a newer one comes
    assert phone.expects() == ANSWERED_YES
    assert not asked.task.completed
    arrives(world, phone, "2", "2026-07-01T12:01:05.000Z")
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you")


def test_a_late_code_of_a_question_that_expired_is_told_so(new_world: NewWorld, calendar: Calendar) -> None:
    # Given a question asked at noon that lived 0.4 seconds, and one asked a minute later with the same codes
    world = new_world({**SEQUENTIAL, "entitlementTTL": "0.0001"})
    phone = world.phone("+14255550182")
    ask_directly(world, phone)
    end = texts_of(world, phone)[-1].time + 0.36
    world.wait_until(lambda: time.time() > end, "the question expires")
    world.instance.params["entitlementTTL"] = "24"
    calendar.date = "Wed, 01 Jul 2026 12:01:00 GMT"
    asked = ask_directly(world, phone)
    assert asked.codes == {"Yes": "1", "No": "2"}
    # When a code arrives that reached AWS between the two
    world.start_poller()
    arrives(world, phone, "1", "2026-07-01T12:00:50.000Z")
    # Then it is told that its question is closed, and the new one is open
    assert phone.expects() == CLOSED
    assert not asked.task.completed


def test_a_late_code_without_an_envelope_is_measured_by_when_it_reached_the_queue(
    new_world: NewWorld, calendar: Calendar
) -> None:
    # Given raw delivery, a question that was answered, and a code that waits on the queue since
    world = new_world(SEQUENTIAL, cloud=Cloud(raw_delivery=True))
    phone = world.phone("+14255550182")
    ask_directly(world, phone)
    inject(world, phone, "1")
    phone.replies("1")
    # When a question is asked later by AWS's clock, and only then the poller starts
    calendar.date = "Sun, 01 Jul 2040 12:00:00 GMT"
    asked = ask_directly(world, phone)
    world.start_poller()
    # Then the code is told what it answered, and the new question is open
    assert phone.expects() == ANSWERED_YES
    assert not asked.task.completed


@pytest.mark.parametrize("year", ["2020", "2040"], ids=["AWS years behind", "AWS years ahead"])
def test_a_reply_may_be_two_seconds_older_by_the_clocks_of_aws_whatever_the_host_says(
    new_world: NewWorld, calendar: Calendar, year: str
) -> None:
    # Given an AWS whose clock is years from that of the host, and a question that it took at noon
    world = new_world(SEQUENTIAL)
    world.start_poller()
    phone = world.phone("+14255550182")
    calendar.date = f"01 Jul {year} 12:00:00 GMT"
    asked = ask_directly(world, phone)
    # When a code is a moment older than two seconds before noon / Then it answers nothing
    arrives(world, phone, "1", f"{year}-07-01T11:59:57.990Z")
    assert phone.expects() == f"{FAILURE}Yes (1), No (2)"
    assert not asked.task.completed
    # When one is two seconds older / Then it answers
    arrives(world, phone, "2", f"{year}-07-01T11:59:58.000Z")
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you")


def test_an_old_code_answers_where_aws_did_not_say_when_it_took_the_question(sequential_world: SharedWorld) -> None:
    # Given a question that AWS took, but with an error for an answer
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    task = incident.add_task()
    sequential_world.cloud.fail("Publish", "InternalError", status=500, deliver=True)
    entry = send(sequential_world, phone.number, question("Restart?", ("Yes", "No"), entitlement(incident, "1")))
    assert "may have been sent or not" in error_of([entry])
    phone.expects("Yes (1) or No (2)")
    # When a code arrives with an old timestamp / Then it answers, as there is nothing to measure it by
    arrives(sequential_world, phone, "2", "2026-07-01T12:00:00.000Z")
    assert task.wait() == "No"
    phone.expects("2 - Thank you")


# Random codes rest


def test_a_random_code_that_a_phone_had_is_drawn_again_only_when_no_other_is_free(new_world: NewWorld) -> None:
    # Given a phone that has had every code but ten, and another that has had none
    world = new_world()
    phone, letters = world.phone("+14255550182"), "ABCDEFGHIJ"
    spared = {"0000", "0007", "0042", "1234", "2345", "3456", "4567", "5678", "6789", "9999"}
    ask_directly(world, phone)
    inject(world, phone, row(world, phone)["ReplyCodes"][5:9])
    _had(world, (f"{number:04}" for number in range(10000) if f"{number:04}" not in spared))
    # When it is asked with ten options / Then these are the ten
    assert set(ask_directly(world, phone, letters).codes.values()) == spared
    # And once no other is free, codes that it had come again, but none of the open question
    again = set(ask_directly(world, phone, letters).codes.values())
    assert len(again) == 10
    assert not again & spared


def _had(world: World, codes: Iterable[str]) -> None:
    """As if the one question there is had had these codes."""
    context, version = world.instance.context.read()
    (one,) = json.loads(context["entitlements"])
    stored = json.dumps([{**one, "codes": dict.fromkeys(codes, "Yes")}])
    world.instance.context.write({**context, "entitlements": stored}, version)


# Why a reply does not count


def test_a_code_of_two_answered_questions_is_told_the_latest_answer(sequential_world: SharedWorld) -> None:
    # Given two questions, one after the other with the same codes, answered Yes and No
    phone = sequential_world.new_phone()
    for code in ("1", "2"):
        ask_directly(sequential_world, phone)
        phone.replies(code)
        phone.expects(f"{code} - Thank you")
    # When a code of theirs comes, with the option it stood for / Then the text names the second answer
    phone.replies("1 Yes")
    assert phone.expects() == "You already answered: No."


def test_who_was_asked_too_hears_that_someone_else_answered_and_hears_it_again_at_a_late_reply(
    sequential_world: SharedWorld,
) -> None:
    # Given a question that two phones got
    anna, ben = sequential_world.new_phone(), sequential_world.new_phone()
    asked = ask_directly(sequential_world, anna)
    ask_also(sequential_world, asked, ben)
    # When Anna says No, and then Ben says Yes
    anna.replies("2")
    anna.expects("2 - Thank you")
    assert ben.expects() == SOMEONE_ELSE
    ben.replies("1")
    # Then he is told each time that someone else answered, not what she said, and her answer stays
    assert ben.expects() == SOMEONE_ELSE
    assert asked.task.wait() == "No"


# No ping-pong


def test_a_phone_gets_three_texts_that_explain_and_more_after_a_new_question_or_an_answer_only(
    new_world: NewWorld,
) -> None:
    # Given a phone that was told its codes three times
    world = new_world(SEQUENTIAL)
    poller, phone, other = world.start_poller(), world.phone("+14255550182"), world.phone("+14255550183")
    ask_also(world, ask_directly(world, phone), other)
    _ask_for_codes(phone, 3)
    _expect_codes(phone, 3, "Yes (1), No (2)")
    # When it writes on, also to a poller that was started anew / Then it gets silence, other than another phone
    _ask_for_codes(phone, 1)
    assert_nothing_more_comes(world, phone)
    poller.kill()
    world.start_poller()
    _ask_for_codes(phone, 1)
    _ask_for_codes(other, 1)
    _expect_codes(other, 1, "Yes (1), No (2)")
    assert_nothing_more_comes(world, phone)
    # When it is asked again / Then there are three more
    ask_directly(world, phone)
    _ask_for_codes(phone, 4)
    _expect_codes(phone, 3, "Yes (1), No (2), Yes (3), No (4)")
    assert_nothing_more_comes(world, phone)
    # When it answers / Then it is thanked all the same, and there are three more
    phone.replies("1")
    phone.expects("1 - Thank you")
    assert other.expects() == SOMEONE_ELSE
    for text in ("2", "what?", "1", "what?"):
        phone.replies(text)
    assert sorted(phone.expects() for _ in range(3)) == [f"{FAILURE}Yes (3), No (4)", ANSWERED_YES, ANSWERED_YES]
    assert_nothing_more_comes(world, phone, other)


def _ask_for_codes(phone: Phone, times: int) -> None:
    for _ in range(times):
        phone.replies("what?")


def _expect_codes(phone: Phone, times: int, codes: str) -> None:
    assert [phone.expects() for _ in range(times)] == [FAILURE + codes] * times


def test_a_machine_that_answers_every_text_ends_after_three_texts(new_world: NewWorld) -> None:
    # Given a phone whose machine answers each text
    world = new_world(SEQUENTIAL)
    world.start_poller()
    phone = world.phone("+14255550182")

    def answer(request: Request, phase: str) -> None:
        if (request.operation, phase) == ("Publish", "after") and len(texts_of(world, phone)) < 20:
            phone.replies("I am away until Monday.")

    world.cloud.hooks.append(answer)
    # When it is asked / Then it gets three texts and no more
    asked = ask_directly(world, phone)
    _expect_codes(phone, 3, "Yes (1), No (2)")
    assert_nothing_more_comes(world, phone)
    # When its owner answers / Then the thank-you ends it
    phone.replies("2")
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you")
    assert_nothing_more_comes(world, phone)
    assert len(texts_of(world, phone)) == 5


def test_the_own_number_is_neither_asked_nor_notified(new_world: NewWorld) -> None:
    # Given an instance that sends from +14255550100
    world = new_world({"originationNumber": "+1 425 555 0100"})
    # When that number is asked or notified / Then a sentence says what is wrong
    messages = ("Hello", question("Restart?", ("Yes", "No"), entitlement(world.incident(), "1")))
    for message in messages:
        assert error_of([send(world, "+14255550100", message)]) == (
            "+1425*****00 is the Origination Number of the instance, but a text must go to another phone. "
            "Nothing was sent."
        )
    # And nothing was stored, asked of AWS or sent
    assert (world.instance.context.counters.writes, world.cloud.requests()) == (0, [])


def test_a_text_from_the_own_number_gets_silence_even_when_it_answers(new_world: NewWorld) -> None:
    # Given a number that was asked before it became the one that texts are sent from
    world = new_world(SEQUENTIAL)
    own, other = world.phone("+14255550100"), world.phone("+14255550182")
    asked = ask_directly(world, own)
    ask_also(world, asked, other)
    world.instance.params["originationNumber"] = "+14255550100"
    world.start_poller()
    # When both write what is no code / Then the other phone alone gets a text
    own.replies("what?")
    other.replies("what?")
    _expect_codes(other, 1, "Yes (1), No (2)")
    # When the own number sends a code, and once more / Then it counts, in silence, and the instance is well
    own.replies("2")
    assert asked.task.wait() == "No"
    assert other.expects() == SOMEONE_ELSE
    own.replies("2")
    assert_nothing_more_comes(world, own, other)
    assert world.instance.health == ""


# Guessing

GUESSED = "Replies are ignored for too many wrong codes within an hour, somebody may be guessing: +1425*****82 until "


def test_after_ten_wrong_codes_the_right_one_is_ignored_and_the_instance_says_so_once(new_world: NewWorld) -> None:
    # Given two phones with an open question each
    world = new_world(SEQUENTIAL)
    poller, phone, other = world.start_poller(), world.phone("+14255550182"), world.phone("+14255550183")
    asked = ask_directly(world, phone)
    for_other = ask_directly(world, other)
    # When one sends nine wrong codes and the right one / Then it answers
    _guess(other, 9)
    _expect_codes(other, 3, "Yes (1), No (2)")
    wait_until_handled(world)
    other.replies("1")
    assert for_other.task.wait() == "Yes"
    other.expects("1 - Thank you")
    # When the other sends ten and the right one, also to a poller that was started anew
    world.expect_log_error(GUESSED)
    world.expect_log_error("1 replies of locked phones were ignored.")
    _guess(phone, 10)
    _expect_codes(phone, 3, "Yes (1), No (2)")
    world.wait_until(lambda: world.instance.health.startswith(GUESSED), "the health says so")
    phone.replies("1")
    wait_until_handled(world)
    assert [text for text in world.instance.health_history if text] == [world.instance.health]
    poller.kill()
    world.start_poller()
    phone.replies("1")
    assert_nothing_more_comes(world, phone)
    # Then it is ignored in silence, and the list and an injected reply say why
    assert not asked.task.completed
    assert row(world, phone)["Locked"] is True
    assert row(world, other, show_answered="true")["Locked"] is False
    assert readable(inject(world, phone, "1")) == (
        "Replies from +14255550182 are ignored for now, as it sent too many wrong codes within an hour."
    )
    # And the other phone is not concerned
    assert ask_directly(world, other).codes == {"Yes": "1", "No": "2"}
    other.replies("2")
    other.expects("2 - Thank you")


def _guess(phone: Phone, times: int) -> None:
    for code in range(101, 101 + times):
        phone.replies(str(code))


def test_nobody_is_locked_when_no_number_of_wrong_replies_is_too_much(new_world: NewWorld) -> None:
    # Given an instance whose Wrong Replies Allowed Per Hour is 0
    world = new_world({**SEQUENTIAL, "maxWrongReplies": "0"})
    world.start_poller()
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    # When twelve wrong codes come, and the right one / Then it answers
    _guess(phone, 12)
    _expect_codes(phone, 3, "Yes (1), No (2)")
    wait_until_handled(world)
    assert row(world, phone)["Locked"] is False
    phone.replies("2")
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you")


def test_words_used_codes_and_what_a_phone_with_nothing_open_sends_are_no_guesses(random_world: SharedWorld) -> None:
    # Given a phone that has answered, and has sent ten codes since
    phone = random_world.new_phone()
    used = ask_directly(random_world, phone).codes["Yes"]
    phone.replies(used)
    phone.expects("Thank you")
    _guess(phone, 10)
    wait_until_handled(random_world)
    # When, asked again, it sends its old code and words, ten times each, and then the right code
    asked = ask_directly(random_world, phone)
    for text in [used, "what?"] * 10:
        phone.replies(text)
    wait_until_handled(random_world)
    for _ in range(3):
        phone.expects()
    phone.replies(asked.codes["No"])
    # Then it answers
    assert asked.task.wait() == "No"
    phone.expects("Thank you")


# Opt-out words


def test_a_word_that_opts_out_gets_no_text_and_is_shown_until_the_phone_answers(sequential_world: SharedWorld) -> None:
    # Given a question with an option that is such a word
    phone = sequential_world.new_phone()
    asked = ask_directly(sequential_world, phone, ("Cancel", "Go on"))
    assert row(sequential_world, phone)["OptedOut"] is False
    # When every word comes, dressed in ways people write, and the one with its code as often as guesses are allowed
    words = (
        "STOP",
        "stop.",
        "Stop it",
        "ARRET",
        "END",
        "quit!",
        "Remove me",
        "TD",
        "opt-out",
        "OptOut",
        "Unsubscribe\n",
    )
    slips_through(sequential_world, phone, *words, *["Cancel (1)"] * 10)
    # Then nothing is answered, the phone gets no text, and the list shows it as opted out and not as locked
    assert_nothing_more_comes(sequential_world, phone)
    assert not asked.task.completed
    shown = row(sequential_world, phone)
    assert (shown["OptedOut"], shown["Locked"]) == (True, False)
    # When it sends the code / Then it answers, and is opted out no more
    phone.replies("1")
    assert asked.task.wait() == "Cancel"
    phone.expects("1 - Thank you")
    assert row(sequential_world, phone, show_answered="true")["OptedOut"] is False


def test_a_word_that_only_begins_like_an_opt_out_is_a_reply_like_any_other(sequential_world: SharedWorld) -> None:
    # Given an open question / When such a word comes / Then the codes are listed, and nobody has opted out
    phone = sequential_world.new_phone()
    ask_directly(sequential_world, phone)
    phone.replies("Stopwatch")
    _expect_codes(phone, 1, "Yes (1), No (2)")
    assert row(sequential_world, phone)["OptedOut"] is False


def test_an_option_that_begins_with_an_opt_out_word_is_warned_of_and_asked(sequential_world: SharedWorld) -> None:
    # When SMSAskUser asks with two such options
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    given = {"phone": phone.number, "message": "Now?", "option1": "Stop host", "option2": "Wait", "option3": "END"}
    asked, warning = sequential_world.server.execute("SMSAskUser", given, incident)
    # Then the question is asked, and a warning follows
    phone.expects("Stop host (1) or Wait (2) or END (3)")
    assert (asked["Type"], warning["Type"]) == (NOTE, WARNING)
    assert warning["Contents"] == (
        'AWS takes a text that begins like the option "Stop host", "END" as an opt-out: who replies with the word '
        "instead of the code gets no more texts from this AWS account. Choose other words."
    )


def test_an_option_that_only_looks_like_an_opt_out_word_is_not_warned_of(sequential_world: SharedWorld) -> None:
    # When SMSAskUser asks with such options / Then the question is all there is
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    given = {"phone": phone.number, "message": "Now?", "option1": "Stopwatch", "option2": "Do not stop"}
    assert only(sequential_world.server.execute("SMSAskUser", given, incident))["Type"] == NOTE
    phone.expects("Stopwatch (1) or Do not stop (2)")


# Asking someone who has opted out


def test_asking_a_phone_that_has_opted_out_is_an_error_before_anything_is_stored_or_sent(
    sequential_world: SharedWorld,
) -> None:
    # Given a person who has sent STOP, which AWS handles itself
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    assert phone.replies("STOP") is None
    writes = sequential_world.instance.context.counters.writes
    published = len(sequential_world.cloud.requests("Publish"))
    # When a playbook asks
    given = {"phone": phone.number, "message": "Restart?"}
    entry = only(sequential_world.server.execute("SMSAskUser", given, incident))
    # Then a sentence says so, with the number masked, and nothing was stored or sent
    assert error_of([entry]) == (
        f"The phone {phone.number[:5]}*****{phone.number[-2:]} has opted out of texts, so AWS would drop the question. "
        "Nothing was sent. Ask another person, or have the number opted in again in the AWS console."
    )
    assert sequential_world.instance.context.counters.writes == writes
    assert len(sequential_world.cloud.requests("Publish")) == published
    # And when the person has sent START, the question arrives
    assert phone.replies("START") is None
    assert ask_directly(sequential_world, phone).codes == {"Yes": "1", "No": "2"}


def test_a_notification_does_not_ask_whether_the_phone_has_opted_out(sequential_world: SharedWorld) -> None:
    # Given a phone / When it is notified / Then AWS was asked to send and nothing else
    phone = sequential_world.new_phone()
    before = len(sequential_world.cloud.requests("CheckIfPhoneNumberIsOptedOut"))
    send(sequential_world, phone.number, "All clear")
    phone.expects("All clear")
    assert len(sequential_world.cloud.requests("CheckIfPhoneNumberIsOptedOut")) == before


@pytest.mark.parametrize(("code", "status"), [("AuthorizationError", 403), ("Throttled", 429), ("InternalError", 500)])
def test_a_phone_is_asked_when_aws_does_not_tell_whether_it_has_opted_out(
    sequential_world: SharedWorld, code: str, status: int
) -> None:
    # Given a key without the permission, or an AWS in trouble
    sequential_world.cloud.fail("CheckIfPhoneNumberIsOptedOut", code, status=status)
    # When it asks / Then the question arrives, and a line at debug level says what was skipped
    ask_directly(sequential_world, sequential_world.new_phone())
    said = f"Whether the phone has opted out is not known: AWS refused CheckIfPhoneNumberIsOptedOut with {code}"
    levels = [level for level, text in sequential_world.instance.logs if text.startswith(said)]
    assert levels == ["debug"]


# Entitlements that the server refuses for a conflict


def test_a_question_is_asked_though_the_incident_was_changed_meanwhile(sequential_world: SharedWorld) -> None:
    # Given a server that refuses one entitlement for a version conflict
    phone = sequential_world.new_phone()
    sequential_world.server.entitlement_conflicts = 1
    # When SMSAskUser asks / Then the question arrives, and is asked once
    given = {"phone": phone.number, "message": "Restart?"}
    assert only(sequential_world.server.execute("SMSAskUser", given))["Type"] == NOTE
    phone.expects("Restart?\nyes (1) or no (2)")
    assert sequential_world.server.entitlement_conflicts == 0


def test_the_tenth_conflict_in_a_row_is_an_error_and_nothing_is_sent(new_world: NewWorld, tmp_path: Path) -> None:
    # Given the pack with pauses too short to wait for
    world = new_world(SEQUENTIAL, pack=_impatient(tmp_path))
    phone, incident = world.phone("+14255550182"), world.incident()
    given = {"phone": phone.number, "message": "Restart?"}
    # When the server refuses nine times / Then the tenth try is asked
    world.server.entitlement_conflicts = 9
    assert only(world.server.execute("SMSAskUser", given, incident))["Type"] == NOTE
    phone.expects("Restart?")
    # When it refuses more often / Then after ten tries its error comes back, and nothing was stored or sent
    writes = world.instance.context.counters.writes
    world.server.entitlement_conflicts = 12
    entry = only(world.server.execute("SMSAskUser", given, incident))
    assert (entry["Type"], world.server.entitlement_conflicts) == (ERROR, 2)
    assert "version conflict" in entry["Contents"]
    assert (world.instance.context.counters.writes, len(texts_of(world, phone))) == (writes, 1)


def _impatient(folder: Path) -> Path:
    """A copy of the pack whose SMSAskUser waits a hundredth of a second in place of a second."""
    pack = Path(copytree(PACK, folder / PACK.name))
    script = pack / "Scripts" / "SMSAskUser" / "SMSAskUser.py"
    source = script.read_text("utf-8")
    assert source.count("ENTITLEMENT_PAUSE = 1.0") == 1
    script.write_text(source.replace("ENTITLEMENT_PAUSE = 1.0", "ENTITLEMENT_PAUSE = 0.01"), "utf-8")
    return pack


# Idle


def test_polls_that_bring_nothing_write_no_context_whatever_is_stored(new_world: NewWorld) -> None:
    # Given an open question, an answered one, and a phone that was sent feedback and has opted out
    world = new_world(SEQUENTIAL)
    poller, phone, other = world.start_poller(), world.phone("+14255550182"), world.phone("+14255550183")
    ask_directly(world, phone)
    ask_directly(world, other)
    phone.replies("9")
    phone.expects("Yes (1), No (2)")
    slips_through(world, phone, "STOP")
    other.replies("1")
    other.expects("1 - Thank you")
    wait_until_handled(world)
    # When a poller that was started anew, which first looks through all that is stored, polls three times for nothing
    poller.kill()
    writes, polls = world.instance.context.counters.writes, len(world.cloud.requests(RECEIVE))
    world.start_poller()
    world.wait_until(lambda: len(world.cloud.requests(RECEIVE)) > polls + 3, "three empty polls", within=20)
    # Then nothing was written
    assert world.instance.context.counters.writes == writes
    # And what changes nothing is not written either: a stranger's code, and a word that opts out once more
    slips_through(world, world.phone("+14255550184"), "1", "STOP")
    slips_through(world, phone, "STOP")
    wait_until_handled(world)
    assert world.instance.context.counters.writes == writes
