"""The pack's playbooks, run from their YAML: who is asked, who answers, and what the playbook goes on with."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from emulator.phone import Phone
from emulator.playbooks import Playing, Stage, load
from emulator.world import PACK, World
from tests.stage import texts_of

NewWorld = Callable[..., World]
Play = Callable[..., Playing]

ASK, ESCALATE = "Ask by SMS", "Ask by SMS and escalate"
FIRST, SECOND, THIRD = "+14255550182", "+14255550183", "+14255550184"
QUESTION = "Restart web-07?"


@pytest.fixture
def world(new_world: NewWorld) -> World:
    """A world whose poller looks at what time brings every second."""
    world = new_world({"pollInterval": "1"})
    world.start_poller()
    return world


@pytest.fixture
def play(world: World) -> Iterator[Play]:
    """Starts a playbook in a new incident, with these inputs beside the question."""
    with ExitStack() as stack:

        def start(name: str, **inputs: str) -> Playing:
            stage = Stage(world.server, world.incident(), load(PACK), second=0.05)
            return stack.enter_context(Playing(stage, name, {"Question": QUESTION, **inputs}))

        yield start


def read(playing: Playing, phone: Phone) -> dict[str, str]:
    """The reply codes of the question that the person reads, which takes them until the playbook waits for it."""
    codes = phone.codes(phone.expects(QUESTION))
    playing.wait_for_task()
    return codes


def answer(playing: Playing, phone: Phone, option: str) -> None:
    """The person reads the question and replies with the code of the option."""
    phone.replies(read(playing, phone)[option])


@pytest.mark.parametrize("option", ["Yes", "No"])
def test_the_answer_is_the_option_that_was_chosen(world: World, play: Play, option: str) -> None:
    # Given a playbook that asks / When the person answers
    phone = world.phone(FIRST)
    playing = play(ASK, Phone=FIRST)
    answer(playing, phone, option)
    phone.expects("Thank you")
    # Then the playbook ends with that option
    assert playing.outputs() == {"SMS.Answer": option}


def test_an_option_of_the_playbooks_user_that_no_branch_names_is_the_answer(world: World, play: Play) -> None:
    # Given a question with four options of its own / When the last is chosen
    phone = world.phone(FIRST)
    playing = play(ASK, Phone=FIRST, Option1="Now", Option2="Tonight", AdditionalOptions="Tomorrow, Ask <Ops>, Never")
    answer(playing, phone, "Ask <Ops>")
    phone.expects("Thank you")
    # Then it is the answer as it stands
    assert playing.outputs() == {"SMS.Answer": "Ask <Ops>"}


def test_a_second_run_in_the_same_incident_has_its_own_answer(world: World) -> None:
    # Given an incident in which the playbook has ended with Yes / When it runs once more and No is the answer
    phone, stage = world.phone(FIRST), Stage(world.server, world.incident(), load(PACK))
    answers = []
    for option in ("Yes", "No"):
        with Playing(stage, ASK, {"Question": QUESTION, "Phone": FIRST}) as playing:
            answer(playing, phone, option)
            phone.expects("Thank you")
            answers.append(playing.outputs()["SMS.Answer"])
    # Then each run ends with its own
    assert answers == ["Yes", "No"]


def test_nobody_answers_and_the_playbook_goes_on_with_the_default_response(world: World, play: Play) -> None:
    # Given a question of three seconds / When nobody answers
    playing = play(ASK, Phone=FIRST, Lifetime="3 seconds", DefaultResponse="Too late")
    world.phone(FIRST).expects(QUESTION)
    # Then the playbook ends with the default response
    assert playing.outputs(within=20) == {"SMS.Answer": "Too late"}


def test_a_reminder_comes_and_is_answered(world: World, play: Play) -> None:
    # Given a question with a reminder at half of its lifetime
    phone = world.phone(FIRST)
    playing = play(ASK, Phone=FIRST, Lifetime="6 seconds", Reminders="1")
    asked = phone.expects(QUESTION)
    # When the reminder is answered
    reminder = phone.expects("Reminder: ")
    assert reminder == f"Reminder: {asked}"
    phone.replies(phone.codes(reminder)["Yes"])
    phone.expects("Thank you")
    # Then that is the answer
    assert playing.outputs() == {"SMS.Answer": "Yes"}


def test_two_people_are_asked_and_the_first_answers(world: World, play: Play) -> None:
    # Given a question to two people / When the second answers
    first, second = world.phone(FIRST), world.phone(SECOND)
    playing = play(ASK, Phone=f"{FIRST}, {SECOND}")
    first.expects(QUESTION)
    answer(playing, second, "No")
    second.expects("Thank you")
    # Then the playbook ends with that answer, and the first hears of it
    assert playing.outputs() == {"SMS.Answer": "No"}
    assert first.expects() == "This question was answered by someone else."


def test_the_first_contact_takes_it_and_the_second_is_not_asked(world: World, play: Play) -> None:
    # When the first of two contacts accepts
    phone = world.phone(FIRST)
    playing = play(ESCALATE, Contacts=f"{FIRST}, {SECOND}")
    answer(playing, phone, "Yes")
    phone.expects("Thank you")
    # Then the first is named, and nobody else got a text
    assert playing.outputs() == {"SMS.Answer": "Yes", "SMS.AnsweredBy": FIRST}
    assert texts_of(world, world.phone(SECOND)) == []


def test_a_decline_is_escalated_once(world: World, play: Play) -> None:
    # Given three contacts / When the first declines, though twice, and the second accepts
    first, second = world.phone(FIRST), world.phone(SECOND)
    playing = play(ESCALATE, Contacts=f"{FIRST},{SECOND},{THIRD}", Option2="Not me", Declines="Later, not me")
    code = read(playing, first)["Not me"]
    first.replies(code)
    first.expects("Thank you")
    first.replies(code)
    first.expects("You already answered")
    answer(playing, second, "Yes")
    second.expects("Thank you")
    # Then the second is named and was asked once, and the third was not asked
    assert playing.outputs() == {"SMS.Answer": "Yes", "SMS.AnsweredBy": SECOND}
    assert len(texts_of(world, second)) == 2
    assert texts_of(world, world.phone(THIRD)) == []


def test_a_late_reply_of_the_first_contact_does_not_answer_for_the_second(world: World, play: Play) -> None:
    # Given a first contact who lets three seconds pass
    first, second = world.phone(FIRST), world.phone(SECOND)
    playing = play(ESCALATE, Contacts=f"{FIRST},{SECOND}", Lifetimes="3 seconds, 1 minute")
    code = read(playing, first)["Yes"]
    codes = read(playing, second)
    # When the first accepts after the second was asked, and the second accepts after that
    first.replies(code)
    first.expects("too late")
    second.replies(codes["Yes"])
    second.expects("Thank you")
    # Then the second took it
    assert playing.outputs() == {"SMS.Answer": "Yes", "SMS.AnsweredBy": SECOND}


def test_nobody_takes_it_and_it_is_unacknowledged(world: World, play: Play) -> None:
    # Given two contacts, reminded once / When the first declines and the second does not answer
    first, second = world.phone(FIRST), world.phone(SECOND)
    playing = play(ESCALATE, Contacts=f"{FIRST},{SECOND}", Lifetimes="1 minute,3 seconds", Reminders="1")
    answer(playing, first, "No")
    first.expects("Thank you")
    asked = second.expects(QUESTION)
    assert second.expects() == f"Reminder: {asked}"
    # Then it is unacknowledged, and nobody is named
    assert playing.outputs(within=20) == {"SMS.Answer": "unacknowledged"}


def test_a_cancelled_question_ends_the_playbook_with_the_operators_response(world: World, play: Play) -> None:
    # Given a playbook that waits for an answer / When an operator cancels its question with a response
    phone = world.phone(FIRST)
    playing = play(ASK, Phone=FIRST)
    code = read(playing, phone)["Yes"]
    world.war_room(f'!aws-sns-sms-cancel-entitlement phone_number={FIRST} response="Handled by phone"')
    # Then the playbook ends with it, and who replies after that is told so
    assert playing.outputs() == {"SMS.Answer": "Handled by phone"}
    phone.replies(code)
    phone.expects("This question is closed")


def test_a_contact_who_cannot_be_sent_to_does_not_stop_the_escalation(world: World, play: Play) -> None:
    # Given a first contact whose number is none / When the second accepts
    second = world.phone(SECOND)
    playing = play(ESCALATE, Contacts=f"12, {SECOND}")
    answer(playing, second, "Yes")
    second.expects("Thank you")
    # Then the second took it
    assert playing.outputs() == {"SMS.Answer": "Yes", "SMS.AnsweredBy": SECOND}


def test_the_playbook_for_a_real_server_passes_with_inject_reply_as_the_phone(world: World) -> None:
    # When the test playbook runs, its seconds a twentieth as long
    stage = Stage(world.server, world.incident(), load(PACK), second=0.05)
    with Playing(stage, "Ask by SMS - Test", {"Phone": FIRST}) as playing:
        world.phone(FIRST).expects("Does the test of Ask by SMS work?", "It works")
        # Then it does not fail, and its answer is what it injected
        playing.outputs(within=20)
    assert stage.incident.context["SMS"]["Answer"] == "It works"
