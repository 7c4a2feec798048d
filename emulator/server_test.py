import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.incidents import Incident, Task
from emulator.instances import Instance
from emulator.server import Call, Server, ServerClosedError

PREAMBLE = "import demistomock as demisto\nfrom CommonServerPython import *\n"
INTEGRATION = """
commonfields: {id: Brand, version: -1}
name: Brand
configuration: [{name: color, display: Color, type: 0, defaultvalue: blue}]
script:
  type: python
  script: ''
  longRunning: true
  commands:
  - name: send
    arguments: [{name: text}, {name: to, default: true, defaultValue: nobody}]
  - name: strict
    arguments: [{name: text, required: true}]
"""
SCRIPT = "commonfields: {id: Ask, version: -1}\nname: Ask\nscript: ''\nargs: [{name: text}, {name: using}]\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"GIVEN": "value"}) as server:
        yield server


Add = Callable[..., Instance]


@pytest.fixture
def add(server: Server, tmp_path: Path) -> Add:
    """Load an integration with that source and add an instance of it."""

    def add(source: str, **options: Any) -> Instance:
        (tmp_path / "Brand.yml").write_text(INTEGRATION)
        (tmp_path / "Brand.py").write_text(PREAMBLE + textwrap.dedent(source))
        server.load(tmp_path)
        return server.add_instance("Brand", **options)

    return add


def run_script(
    server: Server, tmp_path: Path, source: str, line: str = "!Ask", incident: Incident | None = None
) -> Any:
    """The contents of the entries that the script Ask with that source leaves in the war room."""
    (tmp_path / "Ask.yml").write_text(SCRIPT)
    (tmp_path / "Ask.py").write_text(PREAMBLE + textwrap.dedent(source))
    server.load(tmp_path)
    return [entry["Contents"] for entry in server.war_room(line, incident)]


def errors(instance: Instance) -> list[str]:
    return [text for level, text in instance.logs if level == "error"]


def contents(server: Server, line: str) -> list[Any]:
    return [entry["Contents"] for entry in server.war_room(line)]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "It did not happen within 10 seconds."
        time.sleep(0.005)


# How code is run


@pytest.mark.parametrize("name", ["__builtin__", "builtins", "__main__"])
def test_code_runs_under_the_module_name_of_the_server(name: str, tmp_path: Path) -> None:
    # Given a server that uses a name / When a script runs / Then it has that name
    with Server(module_name=name) as server:
        assert run_script(server, tmp_path, "return_results(__name__)") == [name]


@pytest.mark.parametrize("sibling", ["Ask", "container", "emulator"])
def test_code_imports_neither_its_siblings_nor_ours(sibling: str, server: Server, tmp_path: Path) -> None:
    # Given a script that imports a file beside it, or one of this repository / When it runs / Then there is none
    expected = f"Ask failed: ModuleNotFoundError: No module named '{sibling}'"
    assert run_script(server, tmp_path, f"import {sibling}") == [expected]


def test_a_container_has_the_given_environment_and_nothing_of_the_developer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, add: Add, server: Server
) -> None:
    # Given a developer with AWS keys and Python settings in the environment
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # When a command looks at its own
    add("""
    import os
    return_results(" ".join([*sorted(os.environ), str(os.path.exists(os.path.expanduser("~/.aws")))]))
    """)
    (names,) = contents(server, "!send")
    # Then it has what it was given, what any process needs, and a home without profiles
    assert names.replace("LC_CTYPE ", "") == "GIVEN HOME LANG PATH TZ False"


def test_what_a_container_prints_does_not_reach_the_server(server: Server, tmp_path: Path) -> None:
    # Given a script that prints on every channel / When it runs / Then its result arrives whole
    source = """
    import os, sys
    print('{"call": "results"}')
    print("more", file=sys.stderr)
    os.write(1, b"raw\\n")
    return_results("result")
    """
    assert run_script(server, tmp_path, source) == ["result"]


def test_lone_surrogates_and_nul_survive_both_ways(add: Add, server: Server, tmp_path: Path) -> None:
    # Given a command that returns its argument / When a script passes what no encoding takes / Then it comes back
    add("return_results(demisto.args()['text'])")
    source = 'return_results(demisto.executeCommand("send", {"text": "a\\ud800\\0\\u2028\\r\\n"}))'
    assert run_script(server, tmp_path, source) == ["a\ud800\0\u2028\r\n"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0", "Ask failed: ZeroDivisionError: division by zero"),
        ("raise Exception('in words')", "Ask failed: in words"),
        ("import sys; sys.exit(3)", "Ask failed: The code ended with 3."),
        ("import os; os._exit(3)", "The container of Ask ended with exit code 3."),
        ("import os; os.kill(os.getpid(), 9)", "The container of Ask was killed."),
        ("import os; os.write(2, b'last words'); os._exit(3)", "exit code 3. It printed: last words"),
        ("pass", "Ask ended without a result."),
        ("return_results({1, 2})", "{1, 2}"),
        ("demisto.results({'Contents': {1}, 'ContentsFormat': 'json'})", "Object of type set is not JSON serializable"),
    ],
)
def test_a_script_that_ends_badly_gives_an_error_entry(
    source: str, sentence: str, server: Server, tmp_path: Path
) -> None:
    # Given a script that ends badly / When it runs / Then a sentence says how
    (text,) = run_script(server, tmp_path, source)
    assert sentence in text


def test_return_error_gives_an_error_entry_and_ends_the_code(server: Server, tmp_path: Path) -> None:
    # Given a script that goes on after return_error / When it runs / Then it does not
    assert run_script(server, tmp_path, "return_error('No such phone.')\nreturn_results('more')") == ["No such phone."]
    assert server.playground.war_room[-1]["Type"] == 4


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    # Given a server with little patience / When a script sleeps / Then it is killed and a sentence says why
    with Server(timeout=0.5) as server:
        source = "import time\ntime.sleep(60)"
        expected = "The container of Ask was killed: it ran for more than 0.5 seconds."
        assert run_script(server, tmp_path, source) == [expected]


def test_a_traceback_is_logged_with_file_and_line_and_not_shown(server: Server, tmp_path: Path) -> None:
    # Given a script that raises in line 3 / When it runs / Then the debug log has the place and the war room has not
    (text,) = run_script(server, tmp_path, "1 / 0")
    assert "Traceback" not in text
    (traceback,) = [line.text for line in server.log if line.level == "debug"]
    assert f'File "{tmp_path}/Ask.py", line 3' in traceback


def test_a_second_thread_may_log_and_nothing_else(server: Server, tmp_path: Path) -> None:
    # Given a script whose second thread logs and then returns a result
    source = """
    import threading
    def work():
        demisto.info("from a thread")
        try:
            return_results("stolen")
        except RuntimeError as error:
            failures.append(str(error))
    failures = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return_results(failures[0])
    """
    # When it runs / Then the call is refused there, and the operator sees it in the log
    assert run_script(server, tmp_path, source) == [
        "demisto.results was called in a second thread: only one thread may talk to the server."
    ]
    assert [(line.level, line.text) for line in server.log] == [
        ("info", "from a thread"),
        ("error", "demisto was called in a second thread: only one thread may talk to the server."),
    ]


def test_support_multithreading_lets_every_thread_call(server: Server, tmp_path: Path) -> None:
    # Given a script that put a lock around its calls / When four threads call / Then all calls arrive
    source = """
    import threading
    support_multithreading()
    threads = [threading.Thread(target=return_results, args=(str(number),)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """
    assert sorted(run_script(server, tmp_path, source)) == ["0", "1", "2", "3"]


def test_a_context_of_megabytes_crosses_whole(add: Add, server: Server) -> None:
    # Given a command that writes five megabytes and reads them back / When it runs / Then they are the same
    add("""
    big = '"' * 5_000_000
    demisto.setIntegrationContextVersioned({"big": big}, -1)
    return_results(str(demisto.getIntegrationContextVersioned(True)["context"]["big"] == big))
    """)
    assert contents(server, "!send") == ["True"]


# Commands


def test_a_command_runs_on_every_enabled_instance_that_has_it(add: Add, server: Server) -> None:
    # Given three instances, one of them disabled
    add("return_results(demisto.params()['color'])", name="first")
    add("return_results(demisto.params()['color'])", name="second", params={"color": "red"})
    add("return_results(demisto.params()['color'])", name="third", enabled=False)
    # When the command runs / Then both others return; `using` and `using-brand` narrow that
    assert contents(server, "!send") == ["blue", "red"]
    assert contents(server, "!send using=second") == ["red"]
    assert contents(server, "!send using-brand=Brand using=first") == ["blue"]


def test_a_script_gets_using_as_its_own_argument_and_using_brand_not(server: Server, tmp_path: Path) -> None:
    # When a script that has the argument using is told both / Then it gets the one
    source = "return_results(str(demisto.args()))"
    assert run_script(server, tmp_path, source, "!Ask using=second using-brand=Brand") == ["{'using': 'second'}"]


@pytest.mark.parametrize("line", ["!nothing", "!send using=third", "!send using-brand=Slack", "!send using=nowhere"])
def test_a_command_that_no_enabled_instance_has_is_unsupported(line: str, add: Add, server: Server) -> None:
    # Given a disabled instance / When no enabled one has the command / Then it is unsupported
    add("return_results('ran')", name="third", enabled=False)
    command = line[1:].partition(" ")[0]
    assert contents(server, line) == [f"Unsupported Command : {command}"]


def test_an_unsupported_command_raises_value_error_in_the_script(server: Server, tmp_path: Path) -> None:
    # Given no integration / When a script calls a command / Then a ValueError with the server's text arrives
    source = """
    try:
        demisto.executeCommand("send-notification", {})
    except ValueError as error:
        return_results(str(error))
    """
    assert run_script(server, tmp_path, source) == ["Unsupported Command : send-notification"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("!send", "{'to': 'nobody'}"),
        ("!send me text=hi", "{'to': 'me', 'text': 'hi'}"),
        ("!strict", "strict needs the argument 'text'."),
        ("!strict text=a other=b", "strict has no argument 'other'. It accepts: text."),
    ],
)
def test_arguments_get_their_defaults_and_are_checked(line: str, expected: str, add: Add, server: Server) -> None:
    # Given commands with a default and a required argument / When one is typed / Then it gets them, or a sentence
    add("return_results(str(demisto.args()))")
    assert contents(server, line) == [expected]


def test_argument_values_are_strings_to_whoever_gets_them(add: Add, server: Server, tmp_path: Path) -> None:
    # Given a command that shows its arguments / When a script passes other types / Then they are text, None not there
    add("return_results(str(demisto.args()))")
    source = 'return_results(demisto.executeCommand("send", {"text": True, "to": None}))'
    assert run_script(server, tmp_path, source) == ["{'to': 'nobody', 'text': 'true'}"]


def test_an_integration_cannot_run_commands(add: Add, server: Server) -> None:
    # Given an integration that calls executeCommand / When it runs / Then the call is refused
    add("demisto.executeCommand('send', {})")
    (text,) = contents(server, "!send")
    assert text == "send failed: ValueError: executeCommand is for scripts: an integration cannot call it."


@pytest.mark.parametrize(
    "call", ["getIntegrationContext()", "updateModuleHealth('')", "handleEntitlementForUser('1', '', '', '')"]
)
def test_a_script_cannot_do_what_needs_an_instance(call: str, server: Server, tmp_path: Path) -> None:
    # Given a script / When it calls what integrations call / Then the call is refused
    (text,) = run_script(server, tmp_path, f"demisto.{call}")
    assert text == "Ask failed: ValueError: This call is for integrations: a script has no instance."


def test_outputs_reach_the_incident_where_they_were_asked_for(add: Add, server: Server) -> None:
    # Given a command with outputs / When it runs in an incident twice / Then its context holds one object
    add("return_results(CommandResults('A.B', 'ID', {'ID': '1', 'Incident': demisto.investigation()['id']}))")
    incident = server.new_incident()
    server.war_room("!send", incident)
    server.war_room("!send", incident)
    assert (incident.context, server.playground.context) == ({"A": {"B": {"ID": "1", "Incident": "1"}}}, {})


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("return_results('ok')", "ok"),
        ("return_error('Wrong key.')", "Wrong key."),
        (
            "get_integration_context()",
            "test-module failed: ValueError: The integration context cannot be read or written in test-module.",
        ),
    ],
)
def test_the_test_button_shows_what_test_module_returns(source: str, verdict: str, add: Add, server: Server) -> None:
    # Given an instance / When it is tested / Then the text is the command's; the context is out of reach
    assert server.test(add(source)) == verdict


# Integration context


def test_an_older_version_raises_value_error_in_the_container(add: Add, server: Server) -> None:
    # Given a command that writes the version it read twice / When it runs / Then the second write raises ValueError
    instance = add("""
    context, version = get_integration_context_with_version()
    set_integration_context({"a": "1"}, version=version)
    try:
        set_integration_context({"a": "2"}, version=version)
    except ValueError as error:
        return_results(str(error))
    """)
    assert contents(server, "!send") == ["The integration context has version 1; version 0 is older. Read it again."]
    assert instance.context.read() == ({"a": "1"}, 1)


def test_values_that_are_no_strings_raise_type_error_in_the_container(add: Add, server: Server) -> None:
    # Given a command that writes a list / When it runs / Then TypeError arrives
    add("demisto.setIntegrationContext({'a': []})")
    assert contents(server, "!send")[0].startswith("send failed: TypeError: Keys and values")


# Entitlements

ANSWER = (
    "demisto.handleEntitlementForUser({incident!r}, {guid!r}, '+14255550182', 'yes', '{task}')\nreturn_results('told')"
)


def entitlement(server: Server, incident: Incident, **args: str) -> str:
    return str(server.execute("addEntitlement", args, incident)[0]["Contents"])


def test_an_answer_resumes_the_task_and_is_announced(add: Add, server: Server) -> None:
    # Given an entitlement and a task that waits in an incident
    incident = server.new_incident()
    task = incident.add_task("Restart?", tag="approve")
    guid = entitlement(server, incident, replyEntriesTag="sms")
    announced: list[Task] = []
    server.on_task_completed.append(lambda _, task: announced.append(task))
    # When an integration answers twice
    add(ANSWER.format(incident=incident.id, guid=guid, task="approve"))
    before = time.monotonic()
    server.war_room("!send")
    server.war_room("!send")
    # Then the task took the branch once, and both calls are on record
    assert (task.branch, announced) == ("Yes", [task])
    assert task.completed_at is not None
    assert before < task.completed_at < time.monotonic()
    assert [(answer.guid, answer.task, answer.effective) for answer in server.answers] == [
        (guid, "approve", True),
        (guid, "approve", False),
    ]
    assert incident.war_room[-1]["Tags"] == ["sms"]


def test_a_persistent_entitlement_answers_each_time(add: Add, server: Server) -> None:
    # Given a persistent entitlement of a playground / When it is answered twice / Then both are entries there
    guid = entitlement(server, server.playground, persistent="true")
    add(ANSWER.format(incident=server.playground.id, guid=guid, task=""))
    server.war_room("!send", server.new_incident())
    server.war_room("!send", server.new_incident())
    assert [entry["Contents"] for entry in server.playground.war_room] == ["yes", "yes"]


def test_an_unknown_incident_or_guid_raises_in_the_container(add: Add, server: Server) -> None:
    # Given an entitlement of another incident
    incident, other = server.new_incident(), server.new_incident()
    guid = entitlement(server, other)
    # When it is answered in the wrong one, or in none / Then a ValueError says so and nothing is recorded
    add(ANSWER.format(incident=incident.id, guid=guid, task=""))
    assert f"ValueError: Entitlement {guid} is not registered in incident 1." in contents(server, "!send")[0]
    add(ANSWER.format(incident="77", guid=guid, task=""))
    assert "ValueError: There is no incident 77." in contents(server, "!send using=Brand_instance_2")[0]
    assert server.answers == []


# Hooks


def on(name: str, phase: str, act: Callable[[Call], None]) -> Callable[[Call], None]:
    return lambda call: act(call) if (call.name, call.phase) == (name, phase) else None


WRITE = "demisto.setIntegrationContext({'a': '1'})\nreturn_results('written')"


@pytest.mark.parametrize(("phase", "stored"), [("before", {}), ("after", {"a": "1"})])
def test_a_hook_that_kills_decides_whether_the_effect_is_durable(
    phase: str, stored: dict[str, str], add: Add, server: Server
) -> None:
    # Given a hook that kills the container before or after its write
    instance = add(WRITE)
    server.hooks.append(on("setIntegrationContext", phase, lambda call: call.container.kill()))
    # When the command runs / Then it dies, the effect stands only after it, and the log blames nobody
    assert contents(server, "!send") == ["The container of send was killed."]
    assert (instance.context.read()[0], errors(instance)) == (stored, [])


@pytest.mark.parametrize(("phase", "stored"), [("before", {}), ("after", {"a": "1"})])
def test_an_error_of_a_hook_arrives_in_the_container(
    phase: str, stored: dict[str, str], add: Add, server: Server
) -> None:
    # Given a hook that raises / When the command calls / Then the error is the call's
    class ServerBusyError(ValueError):
        pass

    def refuse(call: Call) -> None:
        raise ServerBusyError(f"{call.container.command} is refused.")

    instance = add(WRITE)
    server.hooks.append(on("setIntegrationContext", phase, refuse))
    assert contents(server, "!send") == ["send failed: ValueError: send is refused."]
    assert instance.context.read()[0] == stored


def test_a_hook_that_blocks_one_container_lets_another_pass(add: Add, server: Server) -> None:
    # Given two commands that read and write, the first held just before it writes
    instance = add("""
    context, version = get_integration_context_with_version()
    set_integration_context({"by": demisto.args()["to"]}, version=version)
    return_results("written")
    """)
    held, go = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if call.container.job.calling_context["args"]["to"] == "first":
            held.set()
            go.wait(10)

    server.hooks.append(on("setIntegrationContextVersioned", "before", hold))
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.extend(contents(server, "!send first")))
    thread.start()
    assert held.wait(10)
    # When the second runs through
    assert contents(server, "!send second") == ["written"]
    go.set()
    thread.join(10)
    # Then the first meets the conflict
    assert "version 0 is older" in outcome[0]
    assert instance.context.read() == ({"by": "second"}, 1)


def test_a_hook_sees_the_call_and_its_arguments(add: Add, server: Server) -> None:
    # Given a hook that writes down / When a command logs / Then it saw the call before and after
    seen: list[tuple[str, str, Any, str]] = []
    server.hooks.append(lambda call: seen.append((call.container.instance, call.name, call.args, call.phase)))
    add("demisto.info('hello')")
    server.war_room("!send")
    assert [call for call in seen if call[1] == "info"] == [
        ("Brand_instance_1", "info", {"text": "hello"}, "before"),
        ("Brand_instance_1", "info", {"text": "hello"}, "after"),
    ]


# Pollers

POLLER = "import time\ndemisto.updateModuleHealth(str(demisto.command()))\ntime.sleep(60)"


def test_a_poller_that_is_killed_starts_again(add: Add, server: Server) -> None:
    # Given a poller that the server restarts
    instance = add(POLLER)
    poller = server.start_poller(instance, restart=True)
    wait_until(lambda: instance.health == "long-running-execution")
    first = poller.container.pid
    # When it is killed / Then another container takes its place, and the log blames nobody
    poller.kill()
    wait_until(lambda: poller.starts == 2 and len(instance.health_history) == 2)
    assert poller.container.pid != first
    assert errors(instance) == []


def test_two_pollers_overlap_and_one_can_be_stopped(add: Add, server: Server) -> None:
    # Given two pollers of one instance / When one is stopped / Then the other runs on
    instance = add(POLLER)
    first, second = server.start_poller(instance), server.start_poller(instance)
    wait_until(lambda: len(instance.health_history) == 2)
    first.stop()
    assert (first.running, second.running) == (False, True)


def test_a_poller_that_raises_shows_it_as_health_and_in_the_log(add: Add, server: Server) -> None:
    # Given a poller that reports a wrong parameter / When it starts / Then health and log have the sentence
    instance = add("return_error('Timeout is wrong.')")
    poller = server.start_poller(instance)
    poller.join()
    sentence = "long-running-execution failed: Timeout is wrong."
    assert instance.health == sentence
    assert errors(instance) == [sentence]


def test_a_closed_server_leaves_no_process_and_starts_none(add: Add, server: Server) -> None:
    # Given a poller and a script that both sleep
    instance = add(POLLER)
    server.start_poller(instance, restart=True)
    wait_until(lambda: instance.health)
    thread = threading.Thread(target=lambda: server.execute("send", {}))
    thread.start()
    wait_until(lambda: len(server.containers()) == 2)
    pids = [container.pid for container in server.containers()]
    # When the server is closed
    server.close()
    thread.join(10)
    # Then both are gone, and no other can start
    assert [alive(pid) for pid in pids] == [False, False]
    with pytest.raises(ServerClosedError, match=r"The server is closed: it starts no container\."):
        server.execute("send", {})


VANISHING = """
import sys, time
from pathlib import Path
from emulator.server import Server
server = Server()
server.load(Path(sys.argv[1]))
instance = server.add_instance("Brand")
poller = server.start_poller(instance)
while not instance.health:
    time.sleep(0.01)
print(poller.container.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_poller_ends_when_its_server_vanishes(how: signal.Signals, add: Add, tmp_path: Path) -> None:
    # Given a server in a process of its own with a poller that sleeps
    add(POLLER)
    command = [sys.executable, "-c", VANISHING, str(tmp_path)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # When that process is killed or interrupted / Then the poller is gone soon
        parent.send_signal(how)
    wait_until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Without an init to adopt it, an ended orphan stays in the table.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_xsoar_content_replaces_common_server_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a folder with a CommonServerPython.py that imports demistomock itself
    folder = tmp_path / "content"
    folder.mkdir()
    source = "from __future__ import print_function\nimport demistomock as demisto\n"
    source += "def return_results(text): demisto.results('real: ' + demisto.demistoVersion()['version'] + text)\n"
    (folder / "CommonServerPython.py").write_text(source)
    monkeypatch.setenv("XSOAR_CONTENT", str(folder))
    # When a script runs / Then that file's functions are its
    with Server() as server:
        assert run_script(server, tmp_path, "return_results('!')") == ["real: 6.10.0!"]
