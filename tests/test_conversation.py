"""Questions, replies and feedback, as the phone sees them."""

import re
import time
from collections.abc import Callable

import pytest

from emulator.world import World
from tests.stage import (
    FAILURE,
    SharedWorld,
    ask,
    ask_directly,
    entitlement,
    only,
    outputs,
    question,
    readable,
    send,
    texts_of,
)

GUID = "6a4fc3a2-9d1c-4f0e-8f5b-2f6c1d7e9a10"
ASK_LINE = '!SMSAskUser phone=+14255550182 message="Restart the server?" option1=Yes option2=No task=1'
NewWorld = Callable[..., World]


@pytest.mark.parametrize(("mode", "codes"), [("random", r"\d{4}"), ("sequential", "[12]")])
def test_a_reply_code_resumes_the_task_and_is_thanked_for(new_world: NewWorld, mode: str, codes: str) -> None:
    # Given an incident whose playbook waits at task 1
    world = new_world({"replyCodeMode": mode})
    world.start_poller()
    incident, phone = world.incident(), world.phone("+14255550182")
    task = incident.add_task(branches=("Yes", "No"))
    # When it asks, and the person replies with the code of No
    only(world.war_room(ASK_LINE, incident))
    text = phone.expects()
    code = phone.codes(text)["No"]
    phone.replies(code)
    # Then the phone got question and codes and nothing else, the task took the branch No, and the person is thanked
    assert re.fullmatch(rf"Restart the server\?\nYes \({codes}\) or No \({codes}\)", text)
    assert task.wait() == "No"
    assert phone.expects() == f"{code} - Thank you for your response!"
    (answer,) = world.server.answers
    assert (answer.incident, answer.email, answer.content, answer.task) == (incident.id, "+14255550182", "No", "1")
    assert (incident.war_room[-1]["Contents"], incident.war_room[-1]["User"]) == ("No", "+14255550182")


def test_three_open_questions_are_answered_each_by_its_code_whatever_the_order(random_world: SharedWorld) -> None:
    # Given three questions to one phone
    phone = random_world.new_phone()
    first, second, third = (ask(random_world, phone, f"Restart server {name}?") for name in "ABC")
    assert len({*first.codes.values(), *second.codes.values(), *third.codes.values()}) == 6
    # When they are answered in another order
    for asked, option in ((second, "No"), (third, "Yes"), (first, "No")):
        phone.replies(asked.codes[option])
        # Then the task of that question is resumed with that option
        assert asked.task.wait() == option
        assert phone.expects() == f"{asked.codes[option]} - Thank you for your response!"


def test_sequential_codes_count_on_while_questions_are_open_and_are_free_after_an_answer(
    sequential_world: SharedWorld,
) -> None:
    # Given three open questions
    phone = sequential_world.new_phone()
    first, second, third = (ask_directly(sequential_world, phone) for _ in range(3))
    assert [first.codes, second.codes, third.codes] == [
        {"Yes": "1", "No": "2"},
        {"Yes": "3", "No": "4"},
        {"Yes": "5", "No": "6"},
    ]
    # When the second is answered
    phone.replies("3")
    phone.expects("3 - Thank you")
    # Then the next question gets its numbers, and one with three options those after it
    assert ask_directly(sequential_world, phone).codes == {"Yes": "3", "No": "4"}
    assert ask_directly(sequential_world, phone, options=("A", "B", "C")).codes == {"A": "7", "B": "8", "C": "9"}
    # And once all are answered the smallest are free again
    for code in ("1", "4", "6", "8"):
        phone.replies(code)
        phone.expects(f"{code} - Thank you")
    assert ask_directly(sequential_world, phone).codes == {"Yes": "1", "No": "2"}
    assert (first.task.wait(), second.task.wait(), third.task.wait()) == ("Yes", "Yes", "No")


def test_an_unrecognised_reply_gets_the_codes_of_all_open_questions_oldest_first(sequential_world: SharedWorld) -> None:
    # Given three questions, the first of which is answered
    phone = sequential_world.new_phone()
    ask_directly(sequential_world, phone)
    ask_directly(sequential_world, phone, options=("Reboot", "Wait", "Call me"))
    ask_directly(sequential_world, phone, options=("Block", "Allow"))
    phone.replies("2")
    phone.expects("2 - Thank you for your response!")
    # When a reply is no code
    phone.replies("what?")
    # Then the text lists what can be replied
    assert phone.expects() == (
        "We couldn't process your response. Please respond with one of the available reply codes: "
        "Reboot (3), Wait (4), Call me (5), Block (6), Allow (7)"
    )


def test_a_code_that_was_used_says_what_was_answered_whatever_else_is_open(sequential_world: SharedWorld) -> None:
    # Given two questions, the first of which is answered
    phone = sequential_world.new_phone()
    first = ask_directly(sequential_world, phone)
    second = ask_directly(sequential_world, phone, options=("Block", "Allow"))
    phone.replies("1")
    phone.expects("1 - Thank you")
    # When the person changes their mind
    phone.replies("2")
    # Then the answer stays, and a text says so
    assert phone.expects() == "You already answered: Yes."
    assert (first.task.wait(), second.task.completed) == ("Yes", False)


def test_replies_get_silence_when_nothing_is_open(sequential_world: SharedWorld) -> None:
    # Given a phone that nobody asked, and one whose question is answered
    world, stranger, phone = sequential_world, sequential_world.new_phone(), sequential_world.new_phone()
    asked = ask_directly(world, phone)
    phone.replies("2")
    phone.expects("2 - Thank you")
    # When both text words, nothing at all, and codes that their questions, if any, never had
    for text in ("1234", "3", "hello", ""):
        stranger.replies(text)
        phone.replies(text)
    for text in ("1", "2"):
        stranger.replies(text)
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "every reply is handled")
    # Then neither gets a word before its next question, and nothing was answered
    assert ask_directly(world, stranger).codes == {"Yes": "1", "No": "2"}
    assert ask_directly(world, phone).codes == {"Yes": "1", "No": "2"}
    assert [answer.content for answer in world.server.answers if answer.incident == asked.incident.id] == ["No"]


def test_no_feedback_is_sent_when_it_is_switched_off(new_world: NewWorld) -> None:
    # Given an instance without feedback
    world = new_world({"replyFeedbackEnabled": False, "replyCodeMode": "sequential"})
    world.start_poller()
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    # When a wrong reply comes, and then a right one
    phone.replies("9")
    phone.replies("2")
    # Then the task is resumed, and the next thing the phone gets is another question
    assert asked.task.wait() == "No"
    assert ask_directly(world, phone, message="And now?").text == "And now?\nYes (1) or No (2)"
    assert len(texts_of(world, phone)) == 2


def test_feedback_follows_its_templates_with_every_variable(new_world: NewWorld) -> None:
    # Given templates with all variables, doubled braces and a percent sign
    world = new_world(
        {
            "replyCodeMode": "sequential",
            "successMessage": "{phone_number} chose {chosen_option} by {reply_code}: 100% {{ok}}",
            "failureMessage": "{phone_number}, pick one of {available_codes} {{please}}",
        }
    )
    world.start_poller()
    phone = world.phone("+14255550182")
    ask_directly(world, phone, options=("{reply_code}", "50%"))
    # When a wrong reply comes, and then a right one
    phone.replies("maybe")
    phone.replies("1")
    # Then each text is the template filled in once: an option with braces stays as it is
    texts = {phone.expects(), phone.expects()}
    assert texts == {
        "+14255550182, pick one of {reply_code} (1), 50% (2) {please}",
        "+14255550182 chose {reply_code} by 1: 100% {ok}",
    }


def test_two_phones_have_the_same_codes_and_answer_their_own_question_only(sequential_world: SharedWorld) -> None:
    # Given the same codes on two phones, and another question on the first
    anna, ben = sequential_world.new_phone(), sequential_world.new_phone()
    for_anna, for_ben = ask_directly(sequential_world, anna), ask_directly(sequential_world, ben)
    assert for_anna.codes == for_ben.codes == {"Yes": "1", "No": "2"}
    also_for_anna = ask_directly(sequential_world, anna)
    # When both answer at once
    anna.replies("2")
    ben.replies("1")
    # Then each resumes its own task
    assert (for_anna.task.wait(), for_ben.task.wait()) == ("No", "Yes")
    anna.expects("2 - Thank you")
    ben.expects("1 - Thank you")
    # And a code of the one phone says nothing on the other
    ben.replies(also_for_anna.codes["Yes"])
    assert ask_directly(sequential_world, ben).codes == {"Yes": "1", "No": "2"}
    assert not also_for_anna.task.completed


@pytest.mark.parametrize("spelling", [str, str.upper], ids=["as it was", "in capitals"])
def test_the_same_entitlement_sent_again_sends_the_same_codes_again(
    random_world: SharedWorld, spelling: Callable[[str], str]
) -> None:
    # Given an open question
    phone, incident = random_world.new_phone(), random_world.incident()
    task = incident.add_task()
    token = entitlement(incident, task.number)
    send(random_world, phone.number, question("Restart?", ("Yes", "No"), token))
    text = phone.expects()
    # When the same entitlement is sent once more
    again = send(random_world, phone.number, question("Restart?", ("Yes", "No"), spelling(token)))
    # Then the phone gets the very same text, and one reply answers it
    assert phone.expects() == text
    codes = phone.codes(text)
    assert outputs(again, "AWS.SNS.SMS")["CodesToOptions"] == {codes["Yes"]: "Yes", codes["No"]: "No"}
    phone.replies(codes["Yes"])
    assert task.wait() == "Yes"
    phone.expects("Thank you")
    # And the code is used up
    phone.replies(codes["No"])
    assert phone.expects() == "You already answered: Yes."
    assert [answer.content for answer in random_world.server.answers if answer.incident == incident.id] == ["Yes"]


@pytest.mark.parametrize(("before", "after"), [("random", "sequential"), ("sequential", "random")])
def test_questions_of_both_modes_stay_answerable_when_the_mode_is_changed(
    new_world: NewWorld, before: str, after: str
) -> None:
    # Given a question in one mode and, the mode changed and the poller started anew, one in the other
    world = new_world({"replyCodeMode": before})
    poller, phone = world.start_poller(), world.phone("+14255550182")
    old = ask_directly(world, phone)
    poller.stop()
    world.instance.params["replyCodeMode"] = after
    world.start_poller()
    new = ask_directly(world, phone)
    sequential, drawn = (new, old) if after == "sequential" else (old, new)
    assert not {int(code) for code in old.codes.values()} & {int(code) for code in new.codes.values()}
    assert all(len(code) == 1 for code in sequential.codes.values())
    assert all(len(code) == 4 for code in drawn.codes.values())
    # When a wrong reply comes / Then both are listed, the older first
    phone.replies("?")
    listed = [f"{option} ({code})" for asked in (old, new) for option, code in asked.codes.items()]
    assert phone.expects() == FAILURE + ", ".join(listed)
    # And both are answered by their codes
    phone.replies(new.codes["No"])
    phone.expects("Thank you")
    phone.replies(old.codes["Yes"])
    phone.expects("Thank you")
    assert (old.task.wait(), new.task.wait()) == ("Yes", "No")


def test_a_reply_that_arrives_twice_is_answered_and_thanked_for_once(sequential_world: SharedWorld) -> None:
    # Given two open questions
    phone = sequential_world.new_phone()
    asked = ask_directly(sequential_world, phone)
    ask_directly(sequential_world, phone)
    # When the network delivers one reply twice, and a wrong one twice
    for text, reply_id in (("1", "inbound-1"), ("1", "inbound-1"), ("maybe", "inbound-2"), ("maybe", "inbound-2")):
        phone.replies(text, inboundMessageId=reply_id)
        sequential_world.wait_until(lambda: sequential_world.cloud.queue_depth() == 0)
    # Then there is one answer, one thank-you and one list of codes
    assert {phone.expects(), phone.expects()} == {"1 - Thank you for your response!", f"{FAILURE}Yes (3), No (4)"}
    ask_directly(sequential_world, phone)
    answers = [answer for answer in sequential_world.server.answers if answer.incident == asked.incident.id]
    assert [answer.content for answer in answers] == ["Yes"]


def test_the_first_of_two_replies_counts_when_both_wait_on_the_queue(new_world: NewWorld) -> None:
    # Given a question whose person changed their mind before the poller ran
    world = new_world({"replyCodeMode": "sequential"})
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    for code in ("2", "1"):
        phone.replies(code)
        moment = time.time()
        world.wait_until(lambda moment=moment: time.time() > moment + 0.005, "the clock moves on")  # type: ignore[misc]
    # When the poller takes both at once
    world.start_poller()
    # Then the first reply is the answer, and the second is told so
    assert asked.task.wait() == "No"
    assert {phone.expects(), phone.expects()} == {"2 - Thank you for your response!", "You already answered: No."}
    assert [answer.content for answer in world.server.answers] == ["No"]


@pytest.mark.parametrize(
    "message",
    [
        "Incident 42 is closed. Details: https://xsoar.example.com/#/Details/42?tab=war%20room&x={y}",
        f"Answer here: https://xsoar.example.com/#/external/form/{GUID}@42|7",
        f"https://xsoar.example.com/ask?entitlement={GUID}@42|7 (valid for a day)",
        f"The GUID {GUID}@42|7 stands in the middle.",
        "Lunch - Reply pizza or salad: noon",
        "  two lines\nand blanks  ",
    ],
    ids=["URL", "built-in Ask link", "link then words", "entitlement then words", "format, no entitlement", "blanks"],
)
def test_a_message_that_ends_with_no_entitlement_is_sent_as_it_is(random_world: SharedWorld, message: str) -> None:
    # When a notification is sent
    phone = random_world.new_phone()
    entry = send(random_world, phone.number, message)
    # Then the phone gets these very characters, and nothing waits for a reply
    assert phone.expects() == message
    (text,) = texts_of(random_world, phone)
    assert outputs(entry, "AWS.SNS.SMS") == {"MessageId": text.message_id, "PhoneNumber": phone.number}
    assert readable(entry) == f"The SMS was sent to {phone.number}. Its message ID is {text.message_id}."
    listed = random_world.war_room(f"!aws-sns-sms-list-entitlements phone_number={phone.number}")
    assert readable(only(listed)) == f"There are no open questions of {phone.number}."


@pytest.mark.parametrize(
    ("params", "attributes"),
    [
        ({}, {"AWS.SNS.SMS.SMSType": "Transactional"}),
        (
            {"smsType": "Promotional", "senderId": "Acme-SOC", "originationNumber": "+1 (425) 555-0100"},
            {
                "AWS.SNS.SMS.SMSType": "Promotional",
                "AWS.SNS.SMS.SenderID": "Acme-SOC",
                "AWS.MM.SMS.OriginationNumber": "+14255550100",
            },
        ),
        (
            {"originationNumber": "12345"},
            {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.MM.SMS.OriginationNumber": "12345"},
        ),
    ],
    ids=["defaults", "all three", "short code"],
)
def test_questions_and_feedback_carry_the_sms_attributes_of_the_instance(
    new_world: NewWorld, params: dict[str, str], attributes: dict[str, str]
) -> None:
    # Given an instance with these parameters
    world = new_world(params)
    world.start_poller()
    phone = world.phone("+14255550182")
    # When it asks and thanks
    asked = ask_directly(world, phone)
    phone.replies(asked.codes["Yes"])
    phone.expects("Thank you")
    # Then both texts left with these attributes and no other
    assert [dict(text.attributes) for text in world.cloud.texts] == [attributes, attributes]


def test_a_question_returns_its_codes_and_entitlement_to_the_playbook(sequential_world: SharedWorld) -> None:
    # When a question is asked from a war room
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    line = f'!SMSAskUser phone={phone.number} message="Restart?" option1=Yes option2=No option3=Later'
    entry = only(sequential_world.war_room(line, incident))
    phone.expects("Restart?\nYes (1) or No (2) or Later (3)")
    # Then the context of the incident has what spec.md names
    (text,) = texts_of(sequential_world, phone)
    (guid,) = incident.entitlements
    assert incident.context["AWS"]["SNS"]["SMS"] == {
        "MessageId": text.message_id,
        "PhoneNumber": phone.number,
        "Entitlement": f"{guid}@{incident.id}",
        "ReplyCode": "Yes (1) or No (2) or Later (3)",
        "CodesToOptions": {"1": "Yes", "2": "No", "3": "Later"},
    }
    assert readable(entry) == (
        f"The question was sent to {phone.number} with the reply codes Yes (1) or No (2) or Later (3). "
        f"Its message ID is {text.message_id}."
    )


def test_the_poller_asks_for_nothing_while_no_reply_comes(new_world: NewWorld) -> None:
    # Given an idle poller
    world = new_world()
    world.start_poller()
    world.wait_until(lambda: len(world.cloud.requests("ReceiveMessage")) == 2, "two polls")
    # When it waits / Then, after a short first look, it long-polls as the parameter says, ten messages at a time
    polls = [request.parameters for request in world.cloud.requests("ReceiveMessage")]
    assert [(poll["WaitTimeSeconds"], poll["MaxNumberOfMessages"]) for poll in polls] == [(1, 10), (10, 10)]
