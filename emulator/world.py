"""A whole stage for a test or the demo: the cloud, a server with this repository's pack, an instance and phones."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from emulator.cloud import Cloud
from emulator.incidents import Entry, Incident
from emulator.phone import Phone
from emulator.server import Poller, Server

PACK = Path(__file__).resolve().parent.parent / "Packs" / "AWSSNSSMSCommunication"
BRAND = "AWS SNS SMS Communication"
SETTLE_TIMEOUT = 10.0


class World:
    """Use it as a context manager: everything it started has ended when it is left, whatever happened inside.

    `params` go over the defaults of the integration's YAML. `pack` is a pack's folder, its zip or a unified YAML;
    `module_name` the `__name__` that code runs under. `cloud` is one with other settings, not yet started.

    Left without an exception it raises AssertionError when a phone got a text that no `expects` read, a message was
    left on the queue, or an error stood in a log; `allow_unread_texts`, `allow_messages_on_queue` and
    `expect_log_error` excuse these.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        pack: Path = PACK,
        cloud: Cloud | None = None,
        module_name: str = "__builtin__",
        machine_role: bool = True,
    ) -> None:
        self.cloud = cloud or Cloud()
        self._params = dict(params or {})
        self._pack, self._module_name, self._machine_role = pack, module_name, machine_role
        self._phones: dict[str, Phone] = {}
        self._expected_errors: list[str] = []
        self._unread_texts_allowed = self._messages_allowed = False
        self._stack = ExitStack()

    def __enter__(self) -> "World":
        with ExitStack() as stack:
            stack.enter_context(self.cloud)
            environment = self.cloud.environment(machine_role=self._machine_role)
            self.server = stack.enter_context(Server(environment, self._module_name))
            self.server.load(self._pack)
            reached = {"defaultRegion": self.cloud.region, "sqsQueueUrl": self.cloud.queue_url}
            self.instance = self.server.add_instance(BRAND, params={**reached, **self._params})
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._settle()
                self.server.close()
                self._complain()

    # What happens on the stage

    def start_poller(self, *, restart: bool = False) -> Poller:
        """Start the instance's long-running container; with `restart` the server starts it again when it ends."""
        return self.server.start_poller(self.instance, restart=restart)

    def phone(self, number: str) -> Phone:
        """The phone with that number, the same one every time."""
        return self._phones.setdefault(number, Phone(number, self.cloud))

    def incident(self, name: str = "") -> Incident:
        """A new incident."""
        return self.server.new_incident(name)

    def war_room(self, line: str, incident: Incident | None = None) -> list[Entry]:
        """Type a line into an incident's war room, or the playground's; its entries. Raises CommandLineError."""
        return self.server.war_room(line, incident)

    def wait_until(self, condition: Callable[[], bool], what: str = "what was waited for", within: float = 10) -> None:
        """Wait up to `within` seconds for `condition`; AssertionError, which says `what`, when it never held."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"Not within {within:g} seconds: {what}.")
            time.sleep(0.01)

    # What is excused

    def expect_log_error(self, fragment: str) -> None:
        """At least one error in a log holds `fragment`; all that do are excused."""
        self._expected_errors.append(fragment)

    def allow_unread_texts(self) -> None:
        self._unread_texts_allowed = True

    def allow_messages_on_queue(self) -> None:
        """Messages may stay on the queue or go to the dead-letter queue."""
        self._messages_allowed = True

    # The end

    def errors(self) -> list[str]:
        """Every error in a log so far, with whose log it is."""
        return [f"{line.source}: {line.text}" for line in self.server.log if line.level == "error"]

    def _settle(self) -> None:
        """Give what still runs the time to finish: a message leaves the queue after the last of its effects."""
        if not self._messages_allowed and self.server.polling():
            self.cloud.wait_until(lambda: self.cloud.queue_depth() == 0, SETTLE_TIMEOUT)
        self.cloud.wait_until(lambda: not self._missing_errors(), SETTLE_TIMEOUT)

    def _missing_errors(self) -> list[str]:
        errors = self.errors()
        return [fragment for fragment in self._expected_errors if not any(fragment in error for error in errors)]

    def _complain(self) -> None:
        complaints = [*self._about_texts(), *self._about_messages(), *self._about_errors()]
        if complaints:
            raise AssertionError("\n".join(complaints))

    def _about_texts(self) -> list[str]:
        if self._unread_texts_allowed:
            return []
        numbers = dict.fromkeys(text.phone for text in self.cloud.texts)
        unread = {number: self.phone(number).unexpected() for number in numbers}
        return [f"{number} got a text that nothing expected: {text!r}" for number in unread for text in unread[number]]

    def _about_messages(self) -> list[str]:
        if self._messages_allowed:
            return []
        left = [(self.cloud.queue_depth(), "the queue"), (len(self.cloud.dead_letters()), "the dead-letter queue")]
        return [f"{count} message(s) left on {where}" for count, where in left if count]

    def _about_errors(self) -> list[str]:
        unclaimed = [error for error in self.errors() if not any(item in error for item in self._expected_errors)]
        missing = [f"no error in a log holds {fragment!r}" for fragment in self._missing_errors()]
        return [f"an error stood in the log of {error}" for error in unclaimed] + missing
