"""The XSOAR server: runs commands, scripts and pollers in containers and answers their calls.

Every method may be called from any thread. No lock is held while a container runs or a hook does.
"""

import builtins
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from emulator.commandline import parse
from emulator.container import Container, Job
from emulator.content import runtime
from emulator.incidents import NOTE, Answer, Entitlement, Entry, Incident, IncidentError, Task, error_entry
from emulator.instances import Instance, IntegrationContext, LogLine
from emulator.packs import ArgumentError, Command, Integration, Script, compiled, load

LONG_RUNNING = "long-running-execution"
TEST = "test-module"
VERSION = {"version": "6.10.0", "buildNumber": "1000000"}
TARGETS = ("using", "using-brand")
TIMEOUT = 60.0
RESTART_DELAY = 0.2
END_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0


class ServerClosedError(RuntimeError):
    """A closed server runs nothing."""


@dataclass(frozen=True)
class Call:
    """A call of a container on the server, as a hook sees it: before its effect and, unless it failed, after it.

    `args` are the call's arguments by the server's names (`context`, `incidentID`, `taskID`, `text`, ...).
    """

    container: Container
    name: str
    args: Mapping[str, Any]
    phase: Literal["before", "after"]


Hook = Callable[[Call], None]
Began = Callable[[Container], None]


@dataclass
class Run:
    """One container's work: what it belongs to and what it returned so far."""

    job: Job
    incident: Incident | None
    instance: Instance | None
    entries: list[Entry] = field(default_factory=list)
    container: Container | None = None
    timed_out: bool = False

    @property
    def source(self) -> str:
        return self.instance.name if self.instance else self.job.command

    @property
    def killed_on_purpose(self) -> bool:
        return self.container is not None and self.container.killed and not self.timed_out

    def time_out(self) -> None:
        self.timed_out = True
        if self.container is not None:
            self.container.kill()


class Poller:
    """A long-running container of an instance. With `restart` it starts again whenever it ends, as on the server."""

    def __init__(self, server: "Server", instance: Instance, *, restart: bool) -> None:
        self.starts = 0
        self._server, self._instance, self._restart = server, instance, restart
        self._container: Container | None = None
        self._began = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"poller of {instance.name}", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        with suppress(ServerClosedError):
            while not self._stopped.is_set():
                self._server._run_poller(self._instance, self._begin)
                if not self._restart or self._stopped.wait(RESTART_DELAY):
                    return

    def _begin(self, container: Container) -> None:
        self._container = container
        self.starts += 1
        self._began.set()
        if self._stopped.is_set():
            container.kill()

    @property
    def container(self) -> Container:
        """The container that runs now, or the last one; waits for the first to start. Raises TimeoutError."""
        self._began.wait(END_TIMEOUT)
        if self._container is None:
            raise TimeoutError(f"The poller of {self._instance.name} did not start within {END_TIMEOUT:g} seconds.")
        return self._container

    @property
    def running(self) -> bool:
        return self._container is not None and self._container.alive()

    def kill(self) -> None:
        """SIGKILL the container that runs now and wait until it is gone. With `restart` another one follows."""
        self.container.kill()
        self.container.wait(END_TIMEOUT)

    def stop(self, timeout: float = END_TIMEOUT) -> None:
        """End it for good and wait until it is gone. Raises TimeoutError after `timeout` seconds."""
        self._stopped.set()
        if self._container is not None:
            self._container.kill()
        self.join(timeout)

    def join(self, timeout: float = END_TIMEOUT) -> None:
        """Wait until it has ended. Raises TimeoutError after `timeout` seconds."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"The poller of {self._instance.name} has not ended after {timeout:g} seconds.")


class Server:
    """A server with a playground and no pack. Use it as a context manager: leaving it ends every container.

    `environment` is all that containers get beside PATH and an empty home. `module_name` is the `__name__` that code
    runs under: `__builtin__`, `builtins` or `__main__`. `timeout` in seconds bounds commands and scripts, not pollers.
    `entitlement_conflicts` is how many of the next `addEntitlement` fail as when asks in one incident race. Raises
    ContentError when `XSOAR_CONTENT` cannot be used.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        module_name: str = "__builtin__",
        timeout: float = TIMEOUT,
    ) -> None:
        self.module_name = module_name
        self.timeout = timeout
        self.hooks: list[Hook] = []
        self.on_task_completed: list[Callable[[Incident, Task], None]] = []
        self.answers: list[Answer] = []
        self.entitlement_conflicts = 0
        self.log: list[LogLine] = []
        self.instances: dict[str, Instance] = {}
        self.integrations: dict[str, Integration] = {}
        self.scripts: dict[str, Script] = {}
        self.playground = Incident(str(uuid.uuid4()), "Playground", is_playground=True)
        self._incidents = {self.playground.id: self.playground}
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._containers: set[Container] = set()
        self._pollers: list[Poller] = []
        self._closed = False
        self._runtime = runtime()
        self._folder = Path(tempfile.mkdtemp(prefix="xsoar-"))
        self._environment = {**_base_environment(self._folder), **(environment or {})}

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill every container and wait until all are gone. Calls of hooks that still block are abandoned."""
        with self._lock:
            self._closed = True
            containers, pollers = list(self._containers), list(self._pollers)
        for container in containers:
            container.kill()
            container.wait()
        for poller in pollers:
            with suppress(TimeoutError):
                poller.stop(CLOSE_TIMEOUT)
        shutil.rmtree(self._folder, ignore_errors=True)

    # Set-up

    def load(self, path: Path) -> None:
        """Load a pack's folder, its zip or a unified YAML. Raises PackError."""
        pack = load(path)
        self.integrations.update({item.id: item for item in pack.integrations})
        self.scripts.update({item.name: item for item in pack.scripts})

    def add_instance(
        self, brand: str, name: str = "", params: Mapping[str, Any] | None = None, *, enabled: bool = True
    ) -> Instance:
        """An instance of a loaded integration; `params` go over the defaults of its YAML."""
        integration = self.integrations[brand]
        name = name or f"{brand}_instance_{len(self.instances) + 1}"
        instance = Instance(name, integration, {**integration.defaults(), **(params or {})}, enabled)
        self.instances[name] = instance
        return instance

    def new_incident(self, name: str = "") -> Incident:
        incident = Incident(str(next(self._ids)), name)
        self._incidents[incident.id] = incident
        return incident

    def incident(self, number: str) -> Incident:
        """The incident with that id, or the playground. Raises IncidentError (a ValueError) when there is none."""
        if number not in self._incidents:
            raise IncidentError(f"There is no incident {number}.")
        return self._incidents[number]

    # Running

    def war_room(self, line: str, incident: Incident | None = None) -> list[Entry]:
        """Run a line typed into a war room (the playground's unless told); its entries, as they stand there.

        Raises CommandLineError with a sentence when the line cannot be read.
        """
        incident = incident or self.playground
        typed = parse(line)
        command = self._described(typed.name)
        args = typed.arguments(command.default_argument() if command else None)
        try:
            entries = self.execute(typed.name, args, incident)
        except ValueError as error:
            entries = [error_entry(str(error))]
        return [incident.add_result(entry) for entry in entries]

    def execute(self, name: str, args: Mapping[str, Any], incident: Incident | None = None) -> list[Entry]:
        """What `demisto.executeCommand` does: a built-in, a script, or a command on each enabled instance with it.

        `using` (instance) and `using-brand` (integration id) narrow the instances; a script that has an argument of
        that name gets it. The entries go to the caller only.
        Raises ValueError when nothing has that command.
        """
        incident = incident or self.playground
        texts = {key: _argument_text(value) for key, value in args.items() if value is not None}
        if name == "addEntitlement":
            return [self._add_entitlement(incident, texts)]
        if name == "getEntry":
            return [_entry(incident, texts.get("id", ""))]
        targets = {key: texts.pop(key) for key in TARGETS if texts.get(key)}
        if name in self.scripts:
            return self._run_script(self.scripts[name], texts | self.scripts[name].own(targets), incident)
        instances = [item for item in self.instances.values() if _is_target(item, name, targets)]
        if not instances:
            raise ValueError(f"Unsupported Command : {name}")
        return [entry for item in instances for entry in self._run_command(item, name, texts, incident)]

    def _add_entitlement(self, incident: Incident, args: Mapping[str, str]) -> Entry:
        if self.entitlement_conflicts > 0:
            self.entitlement_conflicts -= 1
            return error_entry(f"Could not update the investigation {incident.id}: version conflict.")
        return _add_entitlement(incident, args)

    def test(self, instance: Instance) -> str:
        """What the Test button shows: `ok` or the failure."""
        entries = self._run(self._integration_run(instance, TEST, {}, None))
        return str(entries[-1]["Contents"])

    def start_poller(self, instance: Instance, *, restart: bool = False) -> Poller:
        """Start a long-running container, also beside another one: on the server two overlap for moments."""
        poller = Poller(self, instance, restart=restart)
        self._pollers.append(poller)
        return poller

    def containers(self) -> list[Container]:
        """The containers that run now."""
        with self._lock:
            return list(self._containers)

    def polling(self) -> bool:
        """Whether a long-running container runs."""
        return any(poller.running for poller in self._pollers)

    def _described(self, name: str) -> Command | None:
        if name in self.scripts:
            return self.scripts[name].command
        return next((item.commands[name] for item in self.integrations.values() if name in item.commands), None)

    def _run_script(self, script: Script, args: dict[str, str], incident: Incident) -> list[Entry]:
        try:
            resolved = script.command.resolve(args)
        except ArgumentError as error:
            return [error_entry(str(error))]
        context = self._calling_context(incident, resolved)
        job = self._job(script.name, "", script.source, script.filename, context)
        return self._run(Run(job, incident, None))

    def _run_command(self, instance: Instance, name: str, args: dict[str, str], incident: Incident) -> list[Entry]:
        try:
            resolved = instance.integration.commands[name].resolve(args)
            entries = self._run(self._integration_run(instance, name, resolved, incident))
        except ArgumentError as error:
            entries = [error_entry(str(error))]
        return [{**entry, "Brand": instance.brand, "ModuleName": instance.name} for entry in entries]

    def _integration_run(
        self, instance: Instance, command: str, args: dict[str, str], incident: Incident | None
    ) -> Run:
        integration = instance.integration
        context = self._calling_context(incident, args)
        context.update(command=command, params=instance.params, integration=True)
        context["context"].update(IntegrationInstance=instance.name, IntegrationBrand=instance.brand)
        job = self._job(command, instance.name, integration.source, integration.filename, context)
        return Run(job, incident, instance)

    def _calling_context(self, incident: Incident | None, args: dict[str, str]) -> dict[str, Any]:
        investigation = incident.investigation() if incident else {"id": ""}
        summary: dict[str, Any] = {"id": investigation["id"], "name": investigation.get("name", ""), "CustomFields": {}}
        context: dict[str, Any] = {
            "Inv": investigation,
            "Incidents": [summary],
            "ExecutionContext": {},
            "ExecutedCommands": [],
            "DemistoVersion": VERSION,
        }
        return {"args": args, "context": context, "integration": False}

    def _job(self, command: str, instance: str, source: str, filename: str, context: dict[str, Any]) -> Job:
        common, user = self._runtime.common, self._runtime.user
        files = [(self._runtime.common_source(), str(common)), (user.read_text("utf-8"), str(user))]
        sources = tuple(compiled(text, name) for text, name in [*files, (source, filename)])
        return Job(command, instance, context, sources, self._environment, self._folder, self.module_name)

    def _run(self, run: Run) -> list[Entry]:
        """Run a command or script to its end; an error entry when it died, raised or returned nothing."""
        failure = self._serve(run, self.timeout)
        if failure is not None:
            if not run.killed_on_purpose:
                self._record(run, "error", failure)
            run.entries.append(error_entry(failure))
        elif not run.entries:
            run.entries.append(error_entry(f"{run.job.command} ended without a result."))
        return run.entries

    def _run_poller(self, instance: Instance, began: Began) -> None:
        run = self._integration_run(instance, LONG_RUNNING, {}, None)
        failure = self._serve(run, None, began) or "The long-running container ended on its own."
        if not (self._closed or run.killed_on_purpose):
            self._record(run, "error", failure)
            instance.health_history.append(failure)

    def _serve(self, run: Run, timeout: float | None, began: Began | None = None) -> str | None:
        """Start a container and answer its calls until it ends. None, or the sentence that says how it failed."""
        container = run.container = self._start(run.job)
        timer = threading.Timer(timeout or 0, run.time_out)
        timer.daemon = True
        try:
            if timeout:
                timer.start()
            if began:
                began(container)
            container.send_job()
            return self._answer_calls(run, container)
        finally:
            timer.cancel()
            container.close()
            with self._lock:
                self._containers.discard(container)

    def _start(self, job: Job) -> Container:
        with self._lock:
            if self._closed:
                raise ServerClosedError("The server is closed: it starts no container.")
            container = Container(job)
            self._containers.add(container)
            return container

    def _answer_calls(self, run: Run, container: Container) -> str | None:
        for message in container.messages():
            if "end" in message:
                return self._ended(run, container, message)
            container.reply(self._answer(run, container, message))
        return self._died(run, container)

    def _ended(self, run: Run, container: Container, message: dict[str, Any]) -> str | None:
        """Let threads that the code left behind finish, then say how it ended."""
        with suppress(subprocess.TimeoutExpired):
            container.wait(END_TIMEOUT)
        if message["end"] == "ok":
            return None
        self._record(run, "debug", message.get("traceback", ""))
        return f"{run.job.command} failed: {message['message']}"

    def _died(self, run: Run, container: Container) -> str:
        with suppress(subprocess.TimeoutExpired):
            container.wait(END_TIMEOUT)
        code = container.close()
        printed = container.printed.strip()
        how = "was killed" if code == -signal.SIGKILL else f"ended with exit code {code}"
        how += f": it ran for more than {self.timeout:g} seconds" if run.timed_out else ""
        return f"The container of {run.job.command} {how}." + (f" It printed: {printed}" if printed else "")

    def _answer(self, run: Run, container: Container, message: dict[str, Any]) -> dict[str, Any]:
        name, args = message["call"], message["args"]
        for _ in range(message.get("offences", 0)):
            self._record(run, "error", "demisto was called in a second thread: only one thread may talk to the server.")
        try:
            self._run_hooks(Call(container, name, args, "before"))
            value = None if container.killed else CALLS[name](self, run, args)
            self._run_hooks(Call(container, name, args, "after"))
        except Exception as error:  # noqa: BLE001 - whatever a hook raises is meant for the container
            return {"error": {"type": _builtin_type(error), "message": str(error)}}
        return {"value": value}

    def _run_hooks(self, call: Call) -> None:
        for hook in list(self.hooks):
            if call.container.killed:
                return
            hook(call)

    def _record(self, run: Run, level: str, text: str) -> None:
        line = LogLine(run.source, level, text)
        self.log.append(line)
        if run.instance is not None:
            run.instance.log.append(line)

    # What containers call

    def _results(self, run: Run, args: Mapping[str, Any]) -> None:
        run.entries.extend(args["entries"])

    def _execute_command(self, run: Run, args: Mapping[str, Any]) -> list[Entry]:
        if run.instance is not None:
            raise ValueError("executeCommand is for scripts: an integration cannot call it.")
        return self.execute(args["command"], args["args"] or {}, run.incident)

    def _update_module_health(self, run: Run, args: Mapping[str, Any]) -> None:
        data = args["data"]
        _instance(run).health_history.append(data if isinstance(data, str) else json.dumps(data))

    def _read_context(self, run: Run, _args: Mapping[str, Any]) -> dict[str, str]:
        return _context(run).read()[0]

    def _read_versioned_context(self, run: Run, _args: Mapping[str, Any]) -> dict[str, Any]:
        context, version = _context(run).read()
        return {"context": context, "version": version}

    def _write_context(self, run: Run, args: Mapping[str, Any]) -> None:
        _context(run).write(args["context"], args.get("version", -1))

    def _handle_entitlement(self, run: Run, args: Mapping[str, Any]) -> None:
        _instance(run)
        values = (str(args[name]) for name in ("incidentID", "guid", "email", "content", "taskID"))
        incident, guid, email, content, task = values
        now = time.monotonic()
        effective, completed = self.incident(incident).answer(guid, email, content, task)
        self.answers.append(Answer(incident, guid, email, content, task, now, effective))
        if completed is not None:
            self._announce(self.incident(incident), completed)

    def _announce(self, incident: Incident, task: Task) -> None:
        for announce in list(self.on_task_completed):
            announce(incident, task)


def _logger(level: str) -> Callable[[Server, Run, Mapping[str, Any]], None]:
    def log(server: Server, run: Run, args: Mapping[str, Any]) -> None:
        server._record(run, level, args["text"])

    return log


CALLS: dict[str, Callable[[Server, Run, Mapping[str, Any]], Any]] = {
    "results": Server._results,
    "executeCommand": Server._execute_command,
    "debug": _logger("debug"),
    "info": _logger("info"),
    "error": _logger("error"),
    "updateModuleHealth": Server._update_module_health,
    "getIntegrationContext": Server._read_context,
    "setIntegrationContext": Server._write_context,
    "getIntegrationContextVersioned": Server._read_versioned_context,
    "setIntegrationContextVersioned": Server._write_context,
    "handleEntitlementForUser": Server._handle_entitlement,
}


def _base_environment(home: Path) -> dict[str, str]:
    """What every container has. Nothing of the developer's: no AWS variables, no profile files, no proxies."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8", "TZ": "UTC"}


def _instance(run: Run) -> Instance:
    if run.instance is None:
        raise ValueError("This call is for integrations: a script has no instance.")
    return run.instance


def _context(run: Run) -> IntegrationContext:
    if run.job.command == TEST:
        raise ValueError(f"The integration context cannot be read or written in {TEST}.")
    return _instance(run).context


def _is_target(instance: Instance, command: str, targets: Mapping[str, str]) -> bool:
    if not (instance.enabled and command in instance.integration.commands):
        return False
    wanted = {"using": instance.name, "using-brand": instance.brand}
    return all(wanted[key] == value for key, value in targets.items())


def _argument_text(value: Any) -> str:
    """Arguments are strings to whoever gets them."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _add_entitlement(incident: Incident, args: Mapping[str, str]) -> Entry:
    guid = str(uuid.uuid4())
    persistent = args.get("persistent", "false").lower() == "true"
    incident.register(Entitlement(guid, persistent, args.get("replyEntriesTag", "")))
    return {
        "Type": NOTE,
        "ContentsFormat": "text",
        "Contents": guid,
        "Brand": "Builtin",
        "ModuleName": "InnerServicesModule",
    }


def _entry(incident: Incident, number: str) -> Entry:
    try:
        return incident.entry(number)
    except IncidentError as error:
        return error_entry(str(error))


def _builtin_type(error: Exception) -> str:
    """The nearest built-in exception: the only kind that container and server share."""
    kinds = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in kinds if hasattr(builtins, name)), "Exception")
