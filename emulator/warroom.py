"""An interactive war room: type commands, answer as the phone, and see what comes of it as it happens."""

import difflib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from emulator.commandline import CommandLine, CommandLineError, parse
from emulator.incidents import ERROR, Entry, Incident, Task, error_entry
from emulator.news import News
from emulator.packs import ArgumentError, Command
from emulator.story import Story, printable
from emulator.world import World

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

PHONE = "+14255550182"
ASK = "SMSAskUser"
TEST = "test-module"
INJECT = "aws-sns-sms-inject-reply"
OPTIONS = ("option1", "option2", "option3", "option4")
# `using` and `using-brand` go with every command: the server reads them.
TARGETS = ("using", "using-brand")
WORDS = ("help", "tasks", "quit", "exit")
PROMPT = "war room: "
REPLY = re.compile(r"(?P<number>\+?[\d ().-]+?)\s*>\s*(?P<text>.*)", re.DOTALL)
E164 = re.compile(r"\+[1-9]\d{6,14}")
NEW_LINE_OF_INPUT = re.compile(r"\n(?=[!+]|(?:help|tasks|quit|exit)\s*(?:\n|$))")
# A reply is handled in well under a second; a question without an answer to wait for costs a script this much.
SETTLE_SECONDS, SILENCE_SECONDS = 10.0, 1.0

EXAMPLES = {
    "Ask, with a task that waits for the answer (task=TAG gives it a tag):": (
        f'!{ASK} {PHONE} message="Restart web-07?"',
        f'!{ASK} {PHONE} message="When?" option1=Now option2="In an hour"',
    ),
    "Answer as the phone, with the code it got:": (f"{PHONE}> 1234",),
    "Other commands:": (
        f'!send-notification to={PHONE} message="All clear"',
        "!aws-sns-sms-list-entitlements show_answered=true",
        f"!{INJECT} phone_number={PHONE} reply_code=1234",
        f"!{TEST}",
    ),
    "Tasks that wait, this list, the end (Ctrl-D and Ctrl-C too); Tab completes:": ("tasks", "help", "quit"),
}


class Mistake(Exception):
    """A line that cannot be understood, in a sentence."""


class _Quit(Exception):
    """Ends the world without its complaints: what a person leaves open in a war room is no defect."""


@dataclass(frozen=True)
class PhoneReply:
    """A text that the person at `number` sends back."""

    number: str
    text: str


def run(console: Console, params: Mapping[str, Any]) -> None:
    """Open a war room on this terminal, or on a script in standard input, until it ends.

    `params` go over the defaults of the instance. Raises KeyboardInterrupt on Ctrl-C.
    """
    story = Story(console)
    with suppress(_Quit), World(params) as world:
        world.start_poller(restart=True)
        room = WarRoom(world, story)
        story.title(
            f"The war room of incident {room.incident.id}, and the phone {PHONE}.",
            "Cortex XSOAR and AWS (SNS and SQS) are emulated on this machine: no account, no real SMS.",
        )
        room.help()
        _converse(room, console)
        raise _Quit
    story.note("XSOAR, its containers and AWS have stopped.")


def _converse(room: "WarRoom", console: Console) -> None:
    if sys.stdin.isatty() and console.is_terminal:
        _converse_live(room)
    else:
        _converse_in_turn(room, console)


def _converse_live(room: "WarRoom") -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.patch_stdout import patch_stdout

    session: PromptSession[str] = PromptSession(completer=_completer(room), complete_while_typing=False)
    with patch_stdout(raw=True), room.announcing():
        while True:
            try:
                typed = session.prompt(PROMPT)
            except EOFError:
                return
            except KeyboardInterrupt:
                # The terminal gave a key, not a signal: as in __main__, a second one shall not disturb the end.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                raise
            print()
            if not all(room.take(line) for line in NEW_LINE_OF_INPUT.split(typed)):
                return


def _converse_in_turn(room: "WarRoom", console: Console) -> None:
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        console.print(f"{PROMPT}{printable(line.rstrip())}\n", markup=False, soft_wrap=True)
        more = room.take(line)
        room.settle()
        if not more:
            return


class WarRoom:
    """One incident whose commands are typed, and the phones that answer."""

    def __init__(self, world: World, story: Story) -> None:
        self.incident: Incident = world.incident("War room")
        self._world, self._story = world, story
        self._news = News(world, story)
        self._pending: PhoneReply | None = None
        self._commands = {command.name: command for command in _all_commands(world)}

    # What a line means

    def take(self, line: str) -> bool:
        """Do what `line` says; False when it says to end. A mistake in it is answered with a sentence."""
        line = line.strip()
        if line in ("quit", "exit"):
            return False
        try:
            self._act(line)
        except (Mistake, CommandLineError) as mistake:
            self._story.trouble(str(mistake))
        return True

    def _act(self, line: str) -> None:
        words: dict[str, Callable[[], None]] = {
            "": lambda: None,
            "help": self.help,
            "?": self.help,
            "tasks": self.tasks,
        }
        reply = REPLY.fullmatch(line)
        if line in words:
            words[line]()
        elif line.startswith("!"):
            self._command(line)
        elif reply:
            self._reply(_phone_reply(reply))
        else:
            raise Mistake(self._not_understood(line))

    def _not_understood(self, line: str) -> str:
        first = line.split(maxsplit=1)[0]
        if line.isdigit():
            return f"To answer as a phone, write its number first: {self._last_phone()}> {line}"
        command = _closest(first, self._commands)
        if command:
            return f"A command starts with '!'. Did you mean !{command}?"
        word = _closest(first, WORDS)
        return f"'{first}' is not understood. " + (f"Did you mean {word}?" if word else "Type help for what is.")

    def _last_phone(self) -> str:
        texts = self._world.cloud.texts
        return texts[-1].phone if texts else PHONE

    # What can be typed

    def help(self) -> None:
        """Show what can be typed, ready to be pasted, and the tasks that wait."""
        self._story.examples(EXAMPLES)
        if self._waiting():
            self.tasks()

    def tasks(self) -> None:
        """Show the tasks that wait."""
        for task in self._waiting():
            self._story.waits(task)
        if not self._waiting():
            self._story.note(f"No task waits. !{ASK} opens one.")

    def _waiting(self) -> list[Task]:
        return [task for task in self.incident.tasks if not task.completed]

    def _reply(self, reply: PhoneReply) -> None:
        with self._news.held():
            self._news.replied()
            reached = self._world.phone(reply.number).replies(reply.text)
            self._story.replies(reply.number, reply.text)
        if reached is None:
            self._story.note("AWS handles this keyword itself: it does not reach the queue.")
        else:
            self._pending = reply

    def _command(self, line: str) -> None:
        typed = parse(line)
        self._check(typed)
        if typed.name == TEST:
            entries = [_test_entry(self._world.server.test(self._world.instance))]
        elif typed.name == ASK:
            line, entries = self._ask(line, typed)
        else:
            if typed.name == INJECT:
                self._news.replied_without_clock()
            entries = self._world.war_room(line, self.incident)
        self._story.war_room(line, entries, f"incident {self.incident.id}")
        self._news.tell()

    def _check(self, typed: CommandLine) -> None:
        """Raise Mistake for a command or an argument that does not exist, with the one that was probably meant."""
        if typed.name == TEST:
            return
        command = self._commands.get(typed.name)
        if command is None:
            meant = _closest(typed.name, [*self._commands, TEST])
            hint = f"Did you mean !{meant}?" if meant else "Type help for what there is."
            raise Mistake(f"There is no command !{typed.name}. {hint}")
        known = [argument.name for argument in command.arguments]
        for name in typed.named:
            if name not in (*known, *TARGETS):
                raise Mistake(_no_argument(command.name, name, known))

    def _ask(self, line: str, typed: CommandLine) -> tuple[str, list[Entry]]:
        """Run a question with a task that waits for its answer: the one it names, or else a new one."""
        task, line = self._task_for(line, typed)
        if task is None:
            return line, self._world.war_room(line, self.incident)
        self._story.waits(task)
        entries = self._world.war_room(line, self.incident)
        if any(entry["Type"] == ERROR for entry in entries):
            self.incident.tasks.remove(task)
            self._story.playbook(f"Task #{task.number} is gone: the question was not asked.")
        return line, entries

    def _task_for(self, line: str, typed: CommandLine) -> tuple[Task | None, str]:
        """The new task that the question needs, and the line that names it; None when it needs none."""
        command = self._commands[ASK]
        try:
            arguments = command.resolve(typed.arguments(command.default_argument()))
        except ArgumentError:
            return None, line
        wanted = arguments.get("task", "")
        if any(wanted in (task.number, task.tag) for task in self._waiting() if wanted):
            return None, line
        branches = [arguments[name] for name in OPTIONS if arguments.get(name)]
        number = wanted if wanted.isdigit() else None
        tag = "" if number else wanted
        name = arguments["message"].strip().partition("\n")[0]
        task = self.incident.add_task(name, number=number, tag=tag, branches=branches)
        return task, line if wanted else f"{line} task={task.number}"

    # What comes of it

    @contextmanager
    def announcing(self) -> Iterator[None]:
        """Tell the news as it comes, while the block runs."""
        ended = threading.Event()
        teller = threading.Thread(target=self._news.tell_until, args=(ended,), name="news", daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()

    def settle(self) -> None:
        """Wait until what the last line caused has happened (10 s at the most) and tell it."""
        reply, self._pending = self._pending, None
        if reply:
            self._world.cloud.wait_until(lambda: self._world.cloud.queue_depth() == 0, SETTLE_SECONDS)
            if not self._world.cloud.wait_until(lambda: self._news.has_text_for(reply.number), SILENCE_SECONDS):
                self._story.note("No text came back.")
        self._news.tell()

    # What Tab offers

    def completions(self, before: str) -> Iterable[str]:
        """The words that may stand where the cursor is, after `before` in its line."""
        if " " not in before:
            phones = dict.fromkeys([PHONE, *(text.phone for text in self._world.cloud.texts)])
            return [*(f"!{name} " for name in [*self._commands, TEST]), *(f"{phone}> " for phone in phones), *WORDS]
        command = self._commands.get(before.split(maxsplit=1)[0].removeprefix("!"))
        named = {f"{argument.name}=" for argument in command.arguments} if command else set()
        return sorted(name for name in named if name not in before)


def _all_commands(world: World) -> list[Command]:
    integrations = [command for item in world.server.integrations.values() for command in item.commands.values()]
    return [*(script.command for script in world.server.scripts.values()), *integrations]


def _phone_reply(match: re.Match[str]) -> PhoneReply:
    number = re.sub(r"[ ().-]", "", match["number"])
    if not E164.fullmatch(number):
        raise Mistake(f"'{match['number']}' is no phone number. Write it as {PHONE}, a plus sign and 7 to 15 digits.")
    if not match["text"].strip():
        raise Mistake(f"The reply is empty. Write it after the '>', as in {number}> 1234")
    return PhoneReply(number, match["text"].strip())


def _no_argument(command: str, name: str, known: Sequence[str]) -> str:
    meant = _closest(name, known)
    hint = f" Did you mean {meant}?" if meant else ""
    return f"!{command} has no argument '{name}'.{hint} It takes: {', '.join(known)}."


def _closest(word: str, known: Iterable[str]) -> str | None:
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower().lstrip("!"), names, n=1)
    return names[found[0]] if found else None


def _test_entry(verdict: str) -> Entry:
    return {"Type": 1, "ContentsFormat": "text", "Contents": verdict} if verdict == "ok" else error_entry(verdict)


def _completer(room: WarRoom) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class RoomCompleter(Completer):
        def get_completions(self, document: "Document", _event: "CompleteEvent") -> Iterator[Completion]:
            before = document.text_before_cursor
            word = before.rpartition(" ")[2]
            for offer in room.completions(before):
                if offer.lower().startswith(word.lower()):
                    yield Completion(offer, start_position=-len(word))

    return RoomCompleter()
