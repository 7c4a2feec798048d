"""The whole story of the pack, good and bad, and what of it operators can read: nothing of a person, nothing secret."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from emulator.incidents import ERROR, Entry, Incident
from emulator.phone import Phone
from emulator.world import BRAND, World
from tests.faults import POLLER, READ, TELL, WRITE, Refusal, stage

PHONE, OTHER_PHONE, LOCKED_PHONE, ORIGIN = "+14255550192", "+14255550193", "+14255550194", "+14255550177"
ROLE = "arn:aws:iam::123456789012:role/sms"
KEYS = {"identifier": "AKIAEXAMPLE", "password": "keepthisone"}
EXTERNAL_ID = "outside-7f3a"
QUESTION, WORDS = "Open the vault in Lisbon?", "purple elephants"
SECRETS = (KEYS["password"], KEYS["identifier"], EXTERNAL_ID, "Lisbon", "vault", "elephants")
SAID = f"no entry for {PHONE}, that is 14255550192, tel:14255550192 or (14255550192)"
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Story:
    """A world, what its commands returned, and the codes that its phones got."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.incident: Incident = world.incident()
        self.entries: list[Entry] = []
        self.codes: set[str] = set()

    def run(self, name: str, **arguments: str) -> None:
        self.entries += self.world.server.execute(name, arguments, self.incident)

    def ask(self, number: str) -> dict[str, str]:
        """Ask a phone; its codes by option."""
        phone = self.world.phone(number)
        seen = len(phone.texts)
        self.run("SMSAskUser", phone=number, message=QUESTION, option1="Yes", option2="No")
        codes = phone.codes(next(text.text for text in phone.texts[seen:] if QUESTION in text.text))
        self.codes |= set(codes.values())
        return codes

    def settle(self) -> None:
        """Wait until every reply is off the queue."""
        self.world.wait_until(lambda: self.world.cloud.queue_depth() == 0, "the queue is empty", 20)

    def seen(self, sentence: str) -> None:
        """Wait until an error that holds the sentence stands in a log."""
        self.world.wait_until(lambda: any(sentence in error for error in self.world.errors()), sentence, 20)

    def errors(self) -> list[str]:
        return [str(entry["Contents"]) for entry in self.entries if entry["Type"] == ERROR]

    def visible(self) -> list[str]:
        """All that is logged above debug level, every health text and every error of a command."""
        logged = [line.text for line in self.world.server.log if line.level != "debug"]
        return [*logged, *self.world.instance.health_history, *self.errors()]


def inbound(world: World, phone: Phone, text: str) -> None:
    """A text that reaches the topic whatever its words."""
    world.cloud.publish_to_topic(json.dumps({"originationNumber": phone.number, "messageBody": text}))


def questions_and_replies(story: Story) -> None:
    """A wrong reply, an answer, a late one; ten guesses of another phone; a word that opts out; bodies of nothing."""
    world, phone, locked = story.world, story.world.phone(PHONE), story.world.phone(LOCKED_PHONE)
    codes = story.ask(PHONE)
    for text in (WORDS, codes["Yes"], codes["No"], codes["No"]):
        phone.replies(text)
        story.settle()
    story.ask(LOCKED_PHONE)
    for text in ("99999", "99998", "99997"):
        locked.replies(text)
        story.settle()
    story.seen("Replies are ignored")
    inbound(world, phone, "stop it")
    for body in (WORDS, json.dumps({"messageBody": WORDS, "originationNumber": 14255550192}), f'["{PHONE}"]'):
        world.cloud.send_raw_to_queue(body)
    story.seen("are no replies")


def refusals_of_aws(story: Story) -> None:
    """A text and a thank-you that SNS refuses or leaves unsaid, a queue and a role that are denied, naming a number."""
    cloud = story.world.cloud
    cloud.fail("CheckIfPhoneNumberIsOptedOut", "AuthorizationError", status=403, message=SAID, times=3)
    for code, status in (("InvalidParameter", 400), ("AuthorizationError", 403), ("InternalError", 500)):
        cloud.fail("Publish", code, status=status, message=SAID)
        story.run("SMSAskUser", phone=PHONE, message=QUESTION)
    codes = story.ask(OTHER_PHONE)
    cloud.fail("Publish", "AuthorizationError", status=403, message=SAID.replace(PHONE, OTHER_PHONE))
    story.world.phone(OTHER_PHONE).replies(codes["Yes"])
    story.seen("A feedback SMS could not be sent")
    cloud.fail("ReceiveMessage", "AccessDenied", status=403, message=SAID)
    story.seen("AWS refused ReceiveMessage")
    cloud.fail("AssumeRole", "AccessDenied", status=403, message=f"{SAID} is not {ROLE}")
    story.run("send-notification", to=PHONE, message=QUESTION)


def refusals_of_xsoar(story: Story) -> None:
    """A context that cannot be read or written, and an answer that is not taken, naming a number."""
    world, codes = story.world, story.ask(OTHER_PHONE)
    with Refusal(world, READ, RuntimeError(SAID), command=POLLER, times=1) as refusal:
        world.phone(OTHER_PHONE).replies(WORDS)
        world.wait_until(lambda: refusal.count == 1, "the context failed", 40)
    story.seen("cannot be read")
    with Refusal(world, WRITE, RuntimeError(SAID), command=POLLER, times=1):
        world.phone(OTHER_PHONE).replies("what?")
        story.seen("cannot be written")
    with Refusal(world, TELL, RuntimeError(SAID), command=POLLER, times=1):
        world.phone(OTHER_PHONE).replies(codes["No"])
        story.seen("XSOAR did not take the answer")
    for call in (READ, WRITE):
        with Refusal(world, call, RuntimeError(SAID), command="send-notification"):
            story.run("SMSAskUser", phone=OTHER_PHONE, message=QUESTION)


def commands(story: Story) -> None:
    """Every command as it should be used, and as it should not."""
    token = "2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f20@77|3"
    wrong = (("14255550192", "1"), (f"{PHONE}x", "1"), (PHONE * 3, "x"))
    for phone, code in ((PHONE, "1234"), (OTHER_PHONE, WORDS), *wrong):
        story.run("aws-sns-sms-inject-reply", phone_number=phone, reply_code=code)
        story.run("aws-sns-sms-list-entitlements", phone_number=phone, show_answered="true")
        story.run("send-notification", to=phone, message=f"{QUESTION} {token}")
        story.run("SMSAskUser", phone=phone, message=QUESTION, option1="Yes", option2="yes")
    story.run("send-notification", to=ORIGIN, message=QUESTION)
    story.run("send-notification", to=PHONE, message=QUESTION * 99)
    story.run("aws-sns-sms-list-entitlements", show_answered="maybe")
    story.world.cloud.opt_out(OTHER_PHONE)
    story.run("SMSAskUser", phone=OTHER_PHONE, message=QUESTION)


def parameters(story: Story) -> None:
    """Parameters that cannot be used."""
    reached: dict[str, Any] = {"sqsQueueUrl": story.world.cloud.queue_url, "credentials": KEYS}
    for name, given in (
        ("retries", "many"),
        ("credentials", {"identifier": "", "password": KEYS["password"]}),
        ("originationNumber", f"{ORIGIN}x"),
    ):
        instance = story.world.server.add_instance(BRAND, params={**reached, name: given})
        instance.enabled = False
        sentence = story.world.server.test(instance)
        assert sentence != "ok"
        story.entries.append({"Type": ERROR, "Contents": sentence})
        story.world.server.start_poller(instance)
        story.seen(sentence)


CHAPTERS: Sequence[Callable[[Story], None]] = (
    questions_and_replies,
    refusals_of_xsoar,
    refusals_of_aws,
    commands,
    parameters,
)


def leaks(story: Story) -> list[str]:
    """What is visible and holds a number, a code, a text or a secret."""
    digits = [number.lstrip("+") for number in (PHONE, OTHER_PHONE, LOCKED_PHONE, ORIGIN)]
    codes = [rf"\b{code}\b" for code in sorted(story.codes)]
    wanted = re.compile("|".join([*digits, *codes, *map(re.escape, SECRETS)]))
    return [text for text in dict.fromkeys(story.visible()) if wanted.search(ISO_TIME.sub("", text))]


@pytest.mark.timeout(400)
def test_whole_story_shows_operators_no_number_code_text_or_secret() -> None:
    """
    Given keys, a role with an external id, and everything that can happen to questions, replies, AWS and XSOAR.
    When all of it has happened.
    Then neither logs above debug level nor health texts nor errors of commands hold anything of a person or secret.
    """
    params: dict[str, Any] = {
        "credentials": KEYS,
        "roleArn": ROLE,
        "roleExternalId": EXTERNAL_ID,
        "originationNumber": ORIGIN,
        "maxWrongReplies": "3",
        "retries": "0",
    }
    with stage(**params) as world:
        world.allow_unread_texts()
        world.allow_messages_on_queue()
        world.expect_log_error("")
        story = Story(world)
        world.start_poller()
        for chapter in CHAPTERS:
            chapter(story)
        assert len(story.errors()) > 20
        assert len(world.errors()) > 8
        assert leaks(story) == []
