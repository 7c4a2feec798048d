"""Asks many questions, replies as people do, kills the poller over and over, and counts what is lost or wrong.

    python -m tests.soak                                  200 questions, 100 kills, a new seed
    python -m tests.soak --seed 7 --questions 40 --kills 20

It prints a table. The exit code is 1 when a question was lost, answered wrongly or thanked for twice, or a rule was
seen broken. The seed decides who is asked, what is replied and where the kills fall among a container's calls; threads
and processes do the rest, so a seed leads to the same kind of run, not to the same one.
"""

import argparse
import json
import random
import secrets
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from emulator.aws_protocol import Request
from emulator.cloud import Cloud
from emulator.container import Container
from emulator.incidents import ERROR, Incident, Task
from emulator.server import Call, Poller
from emulator.world import World
from tests.faults import SEND, WRITE, listed, new_entitlement

TITLES = {"double_thank_yous": "double thank-yous", "redeliveries": "re-deliveries"}
PHONES = [f"+142555502{number}" for number in range(10, 16)]
AHEAD = 4  # questions asked before the kills they are to meet
KILL_WITHIN_CALLS = 14  # a round of one batch makes about ten calls on the server and on AWS
KILL_WITHIN_SECONDS = 3.0  # an idle poller makes too few
STARTING_SECONDS = 1.2
ASKERS = 2
WRONG_REPLIES = ("maybe", "7 please", "99999", "yes", "\U0001f44d")
THANKS = "{chosen_option} - Thank you"
PARAMS = {"pollInterval": "1", "maxWrongReplies": "1000", "successMessage": THANKS}
UNVERSIONED = "setIntegrationContext"


@dataclass(frozen=True)
class Plan:
    """How much is asked and killed, and the seed of what chance decides."""

    seed: int
    questions: int = 200
    kills: int = 100


@dataclass(frozen=True)
class Figures:
    """What a run came to. All from `lost` to `rules broken` have to be 0."""

    seed: int
    kills: int
    questions: int
    answered: int
    lost: int
    wrong: int
    double_thank_yous: int
    rules_broken: int
    redeliveries: int
    conflicts_survived: int
    seconds: float

    @property
    def good(self) -> bool:
        return not (self.lost or self.wrong or self.double_thank_yous or self.rules_broken)

    def table(self) -> str:
        rows = [(TITLES.get(name, name.replace("_", " ")), value) for name, value in asdict(self).items()]
        return "\n".join(f"{name:<20}{value:>12}" for name, value in rows)


@dataclass(frozen=True)
class Case:
    """A question and what its person means. Its options name it, so that its thank-you is like no other."""

    number: int
    phone: str
    mode: str
    choice: str
    wrong_first: str | None
    copies: int
    thinks_again: bool

    @property
    def options(self) -> tuple[str, str]:
        return f"Yes{self.number}", f"No{self.number}"

    @property
    def option(self) -> str:
        return f"{self.choice}{self.number}"

    @property
    def inbound_id(self) -> str:
        return str(uuid.UUID(int=self.number + 1))

    @property
    def other(self) -> str:
        return next(option for option in self.options if option != self.option)


@dataclass
class Asked:
    """A case once it was asked."""

    case: Case
    incident: Incident
    task: Task
    entitlement: str
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def guid(self) -> str:
        return self.entitlement.partition("@")[0]


def cases(plan: Plan) -> list[Case]:
    """The same for the same plan."""
    chance = random.Random(plan.seed)
    return [
        Case(
            number=number,
            phone=chance.choice(PHONES),
            mode=chance.choice(["random", "sequential"]),
            choice=chance.choice(["Yes", "No"]),
            wrong_first=chance.choice(WRONG_REPLIES) if chance.random() < 0.3 else None,
            copies=chance.choice([1, 1, 1, 2, 3]),
            thinks_again=chance.random() < 0.2,
        )
        for number in range(plan.questions)
    ]


class Reaper:
    """Kills poller containers one after the other, `kills` of them.

    Three of four die at a call on the server or a request to SQS that chance picks, so that most die at work; the
    fourth at any instant since its start.
    """

    def __init__(self, world: World, poller: Poller, plan: Plan) -> None:
        self.count = 0
        self.done = threading.Event()
        self._world, self._poller, self._kills = world, poller, plan.kills
        self._chance = random.Random(plan.seed + 1)
        self._calls_left = 0
        self._victim: Container | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)
        world.server.hooks.append(self._on_call)
        world.cloud.hooks.append(self._on_request)
        self._thread.start()

    def _run(self) -> None:
        for _ in range(self._kills):
            self._wait(lambda: self._poller.running, 30)
            victim = self._poller.container
            at_work = self._chance.random() < 0.75
            with self._lock:
                self._calls_left = self._chance.randint(1, 2 * KILL_WITHIN_CALLS) if at_work else 0
                self._victim = victim
            within = KILL_WITHIN_SECONDS if at_work else self._chance.uniform(0, STARTING_SECONDS)
            self._wait(lambda victim=victim: not victim.alive(), within)  # type: ignore[misc]
            self._poller.kill()
            self.count += 1
        self.done.set()

    def _wait(self, condition: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)

    def _on_call(self, call: Call) -> None:
        if call.container is self._victim:
            self._tick(call.container)

    def _on_request(self, request: Request, _phase: str) -> None:
        victim = self._victim
        if victim is not None and request.service == "sqs":
            self._tick(victim)

    def _tick(self, victim: Container) -> None:
        with self._lock:
            self._calls_left -= 1
            due = self._calls_left == 0 and victim is self._victim
        if due:
            victim.kill()


class Witness:
    """Watches spec.md's rules 2, 4 and 5 as things happen, and counts what is delivered again."""

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self.meant: dict[str, Asked] = {}  # inbound message id: the question that this reply answers
        self._receives: Counter[str] = Counter()
        self._world = world
        world.server.hooks.append(self._on_call)
        world.cloud.hooks.append(self._on_request)

    @property
    def redeliveries(self) -> int:
        return sum(count - 1 for count in self._receives.values())

    def _on_call(self, call: Call) -> None:
        blind = call.name == WRITE and call.args.get("version", -1) == -1
        if call.phase == "before" and (blind or call.name == UNVERSIONED):
            self.broken.append(f"{call.container.command} wrote the context without a version.")

    def _on_request(self, request: Request, phase: str) -> None:
        if phase != "before":
            return
        if request.operation == "Publish":
            self._stored_before_sent(request.parameters)
        if request.operation == "DeleteMessageBatch":
            for entry in request.parameters["Entries"]:
                self._durable_before_deleted(entry["ReceiptHandle"])

    def _stored_before_sent(self, parameters: Mapping[str, Any]) -> None:
        message = str(parameters["Message"])
        if not message.startswith("Question "):
            return
        stored = [(item["phone"], item["text"], item["codes"]) for item in self._questions()]
        text, _, offer = message.partition("\n")
        known = [codes for phone, words, codes in stored if (phone, words) == (parameters["PhoneNumber"], text)]
        if offer not in [" or ".join(f"{option} ({code})" for code, option in codes.items()) for codes in known]:
            self.broken.append(f"{text} was sent before it was stored.")

    def _durable_before_deleted(self, handle: str) -> None:
        taken = self._world.cloud.taken(handle)
        if taken is None:
            return
        self._receives[taken.message_id] = taken.times
        question = self.meant.get(str(json.loads(json.loads(taken.body)["Message"]).get("inboundMessageId")))
        if question is None:
            return
        claims = [item.get("claim") for item in self._questions() if item["guid"] == question.guid]
        if not (claims and claims[0] and claims[0]["told_at"]):
            self.broken.append(f"The reply to question {question.case.number} was deleted before it was settled.")

    def _questions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._world.instance.context.read()[0].get("entitlements", "[]"))
        return found


class People:
    """Asks the cases and replies to them, no faster than the kills come."""

    def __init__(self, world: World, plan: Plan, reaper: Reaper, witness: Witness) -> None:
        self.asked: list[Asked] = []
        self._world, self._plan, self._reaper, self._witness = world, plan, reaper, witness

    def run(self) -> None:
        """Ask every case and send what its person sends; the first error of any of them is raised."""
        with ThreadPoolExecutor(ASKERS) as askers, ThreadPoolExecutor(len(PHONES)) as thinkers:
            asking = [askers.submit(self._ask_in_time, case) for case in cases(self._plan)]
            for future in [thinkers.submit(self._reply_again, future.result()) for future in asking]:
                future.result()

    def _ask_in_time(self, case: Case) -> Asked:
        due = (case.number - AHEAD) * self._plan.kills / self._plan.questions
        while self._reaper.count < due and not self._reaper.done.is_set():
            time.sleep(0.01)
        asked = self._ask(case)
        self._reply(asked)
        return asked

    def _ask(self, case: Case) -> Asked:
        incident = self._world.incident()
        task = incident.add_task(branches=case.options)
        asked = Asked(case, incident, task, new_entitlement(self._world, incident, task))
        text = f"Question {case.number} - Reply {' or '.join(case.options)}: {asked.entitlement}"
        # The mode of the instance changes while questions are open and while others are asked.
        self._world.instance.params["replyCodeMode"] = case.mode
        entry = self._world.server.execute(SEND, {"to": case.phone, "message": text})[0]
        if entry["Type"] == ERROR:
            raise AssertionError(f"Question {case.number} could not be asked: {entry['Contents']}")
        asked.codes.update({option: code for code, option in entry["Contents"]["CodesToOptions"].items()})
        self.asked.append(asked)
        return asked

    def _reply(self, asked: Asked) -> None:
        case, phone = asked.case, self._world.phone(asked.case.phone)
        if case.wrong_first:
            phone.replies(case.wrong_first)
        self._witness.meant[case.inbound_id] = asked
        for _ in range(case.copies):
            phone.replies(asked.codes[case.option], inboundMessageId=case.inbound_id)

    def _reply_again(self, asked: Asked) -> None:
        """Once the question is answered, send a late copy of the reply, and the other option.

        The other option only by a random code, which rests: a sequential one may be the next question's by then.
        """
        case, phone = asked.case, self._world.phone(asked.case.phone)
        try:
            asked.task.wait(60)
        except TimeoutError:
            return
        if case.copies > 1:
            phone.replies(asked.codes[case.option], inboundMessageId=case.inbound_id)
        if case.thinks_again and len(asked.codes[case.other]) == 4:
            phone.replies(asked.codes[case.other])


def soak(plan: Plan) -> Figures:
    """Run the plan to its end. AssertionError when an error stood in a log, or a question could not be asked."""
    started = time.monotonic()
    cloud = Cloud(visibility_timeout=2, max_receive_count=None, disorder=random.Random(plan.seed + 2))
    with World(PARAMS, cloud=cloud) as world:
        world.allow_unread_texts()
        witness = Witness(world)
        reaper = Reaper(world, world.start_poller(restart=True), plan)
        people = People(world, plan, reaper, witness)
        people.run()
        reaper.done.wait(60)
        settle(world, people.asked)
        return figures(world, plan, people.asked, reaper, witness, time.monotonic() - started)


def settle(world: World, asked: Sequence[Asked]) -> None:
    """Wait until every task went on and the queue is empty; up to a minute, as what is lost never does."""
    world.cloud.wait_until(lambda: all(question.task.completed for question in asked), 30)
    world.cloud.wait_until(lambda: world.cloud.queue_depth() == 0, 30)


def figures(
    world: World, plan: Plan, asked: Sequence[Asked], reaper: Reaper, witness: Witness, seconds: float
) -> Figures:
    rows = listed(world)
    answered = [question for question in asked if question.task.completed and rows[question.entitlement]["Answered"]]
    for sentence in witness.broken:
        sys.stderr.write(sentence + "\n")
    return Figures(
        seed=plan.seed,
        kills=reaper.count,
        questions=len(asked),
        answered=len(answered),
        lost=plan.questions - len(answered),
        wrong=sum(is_wrong(world, question, rows[question.entitlement]["ChosenOption"]) for question in answered),
        double_thank_yous=sum(thank_yous(world, question) > 1 for question in asked),
        rules_broken=len(witness.broken),
        redeliveries=witness.redeliveries,
        conflicts_survived=world.instance.context.counters.conflicts,
        seconds=round(seconds, 1),
    )


def is_wrong(world: World, question: Asked, on_record: str) -> bool:
    """Whether XSOAR was ever told another option than the one meant, more than one call had an effect, or another
    option is on record."""
    answers = [answer for answer in world.server.answers if answer.guid == question.guid]
    options = {answer.content for answer in answers} | {on_record, question.task.wait()}
    return options != {question.case.option} or sum(answer.effective for answer in answers) != 1


def thank_yous(world: World, question: Asked) -> int:
    thanks = (question.case.phone, THANKS.format(chosen_option=question.case.option))
    return [(text.phone, text.text) for text in world.cloud.texts].count(thanks)


def main(arguments: Sequence[str]) -> int:
    """Run as the arguments say and print the table; 1 when a number is not 0 that has to be."""
    parser = argparse.ArgumentParser(prog="soak", description="Kill the poller over and over while people reply.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: a new one")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--kills", type=int, default=100)
    plan = Plan(**vars(parser.parse_args(arguments)))
    sys.stdout.write(f"{plan.questions} questions, {plan.kills} kills of the poller, seed {plan.seed}\n")
    sys.stdout.flush()
    result = soak(plan)
    sys.stdout.write(result.table() + "\n")
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
