"""The story of the pack, played by the real pack: a playbook asks by SMS, a person answers, the playbook goes on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from emulator.incidents import ERROR, Entry, Task
from emulator.playbooks import Playing, Stage, load
from emulator.story import Story
from emulator.world import PACK, World

PHONE = "+14255550182"
INCIDENT = "Unusual traffic from web-07"
PLAYBOOK = "Ask by SMS"
# The poller looks at what time brings once in a poll.
PARAMS = {"pollInterval": "1"}
END_SECONDS = 30.0


class DemoError(Exception):
    """The story cannot go on, and why, in a sentence."""


@dataclass(frozen=True)
class Ask:
    """A question, the task that waits for its answer, and the options."""

    task: str
    question: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Open:
    """A question that reached the phone: the waiting task and the reply codes by option."""

    task: Task
    codes: dict[str, str]


ISOLATE = Ask("Isolate web-07?", "web-07 sends 4 GB an hour to an unknown host. Isolate it?", ("Isolate", "Watch only"))
RESET = Ask("Reset the passwords?", "Five accounts signed in on web-07. Reset their passwords?", ("Reset", "Leave"))
CALL = Ask("Wake the on-call lead?", "Wake the on-call lead for web-07?", ("Call now", "Wait until 8:00", "No"))
RESTORE = Ask("", "web-07 is clean. Restore its network?", ("Restore", "Not yet"))


def play(console: Console) -> None:
    """Play the whole story. Raises DemoError or AssertionError when something else happened than should."""
    story = Story(console)
    story.title(
        "A playbook asks by SMS, and goes on with the answer.",
        "Cortex XSOAR and AWS (SNS and SQS) are emulated on this machine: no account, no real SMS.",
    )
    with World(PARAMS) as world:
        Demo(world, story).play()
    story.note("The end: XSOAR, its containers and AWS have stopped.")


class Demo:
    """One incident and one phone."""

    def __init__(self, world: World, story: Story) -> None:
        self._world, self._story = world, story
        self._phone = world.phone(PHONE)
        self._incident = world.incident(INCIDENT)
        self._milliseconds: list[float] = []

    def play(self) -> None:
        """The parts, in order."""
        self._start()
        self._one_question()
        self._wrong_reply_then_two_questions()
        self._playbook_and_an_answer()
        self._playbook_and_silence()
        self._sum_up()

    def _start(self) -> None:
        verdict = self._world.server.test(self._world.instance)
        if verdict != "ok":
            raise DemoError(f"The Test button of the instance says: {verdict}")
        self._world.start_poller(restart=True)
        self._story.note(f"Instance “{self._world.instance.name}” is enabled. Test: {verdict}. It polls for replies.")

    def _one_question(self) -> None:
        self._story.chapter("1  A question, and the answer")
        isolate = self._ask(ISOLATE)
        self._answer(isolate, "Isolate")

    def _wrong_reply_then_two_questions(self) -> None:
        self._story.chapter("2  A reply that is no code")
        reset = self._ask(RESET)
        self._reply("yes, please do")
        self._receive(*reset.codes.values())
        self._story.chapter("3  A second question while the first is open")
        call = self._ask(CALL)
        self._answer(call, "Wait until 8:00")
        self._answer(reset, "Reset")

    def _playbook_and_an_answer(self) -> None:
        self._story.chapter(f"4  The playbook “{PLAYBOOK}”, and a person who answers")
        with self._playing(RESTORE, "1 hour") as playing:
            self._answer(self._read(RESTORE, playing), "Restore")
            self._end(playing)

    def _playbook_and_silence(self) -> None:
        self._story.chapter("5  The same playbook, and a person who never answers")
        self._story.note("Time is compressed: the question can be answered for 4 seconds, not for the usual hour.")
        with self._playing(RESTORE, "4 seconds") as playing:
            task = self._read(RESTORE, playing).task
            task.wait(END_SECONDS)
            self._story.resumes(task, None)
            self._end(playing)

    def _playing(self, ask: Ask, lifetime: str) -> Playing:
        first, second = ask.options
        inputs = {"Phone": PHONE, "Question": ask.question, "Option1": first, "Option2": second, "Lifetime": lifetime}
        self._story.playbook(f"“{PLAYBOOK}” starts")
        return Playing(Stage(self._world.server, self._incident, load(PACK)), PLAYBOOK, inputs)

    def _read(self, ask: Ask, playing: Playing) -> Open:
        codes = self._phone.codes(self._receive(ask.question, *ask.options))
        task = playing.wait_for_task()
        self._story.waits(task)
        return Open(task, codes)

    def _end(self, playing: Playing) -> None:
        outputs = (f"{path} = {value}" for path, value in playing.outputs(END_SECONDS).items())
        self._story.playbook(f"“{PLAYBOOK}” ends with\n", (", ".join(outputs), "bold"))

    def _sum_up(self) -> None:
        slowest = max(self._milliseconds)
        texts, tasks = len(self._phone.texts), len(self._milliseconds)
        self._story.note(f"{texts} texts sent, {tasks} tasks resumed by a reply, each within {slowest:.0f} ms.")

    def _ask(self, ask: Ask) -> Open:
        task = self._incident.add_task(ask.task, branches=ask.options)
        self._story.waits(task)
        line = _command(ask, task)
        entries = self._world.war_room(line, self._incident)
        self._story.war_room(line, entries, f"incident {self._incident.id}: {self._incident.name}")
        _require_success(entries)
        return Open(task, self._phone.codes(self._receive(ask.question, *ask.options)))

    def _answer(self, question: Open, option: str) -> None:
        code = question.codes[option]
        replied = time.monotonic()
        self._reply(code)
        question.task.wait()
        milliseconds = ((question.task.completed_at or 0) - replied) * 1000
        if question.task.content != option:
            raise DemoError(f"The task was completed with {question.task.content}, not {option}.")
        self._milliseconds.append(milliseconds)
        self._story.resumes(question.task, milliseconds)
        self._receive(code, "Thank you")

    def _reply(self, text: str) -> None:
        self._phone.replies(text)
        self._story.replies(self._phone.number, text)

    def _receive(self, *fragments: str) -> str:
        text = self._phone.expects(*fragments)
        self._story.receives(self._phone.number, text)
        return text


def _command(ask: Ask, task: Task) -> str:
    options = " ".join(f'option{number}="{option}"' for number, option in enumerate(ask.options, 1))
    return f'!SMSAskUser phone={PHONE} message="{ask.question}" {options} task={task.number}'


def _require_success(entries: Sequence[Entry]) -> None:
    errors = [str(entry["Contents"]) for entry in entries if entry["Type"] == ERROR]
    if errors:
        raise DemoError(f"SMSAskUser failed: {' '.join(errors)}")
