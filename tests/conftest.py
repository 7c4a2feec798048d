"""Worlds for the end-to-end tests. moto's state is global, so there is one at a time in a process."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from emulator.cloud import Cloud
from emulator.world import World
from tests.stage import SharedWorld, indiscretions

FAILED = pytest.StashKey[bool]()
PRINTED = "printed"


class Stages:
    """The worlds that the tests of a module share: the last one is kept until another is needed."""

    def __init__(self) -> None:
        self._name = ""
        self._open = ExitStack()
        self._world: SharedWorld | None = None

    def shared(self, name: str, make: Callable[[], SharedWorld]) -> SharedWorld:
        """The world of that name, the same as last time when none was needed between."""
        if self._world is None or self._name != name:
            self.clear()
            self._world = self._open.enter_context(make())
            self._name = name
        return self._world

    def clear(self) -> None:
        """End the shared world: whoever used it has checked it."""
        self._world = None
        leave_silently(self._open)


def leave_silently(worlds: ExitStack) -> None:
    """End worlds without their complaints."""
    error = RuntimeError("No complaint is wanted.")
    worlds.__exit__(type(error), error, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed or hasattr(report, "wasxfail")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured, also when they ran in other processes."""
    for report in terminalreporter.getreports("passed"):
        for name, text in getattr(report, "user_properties", []):
            if name == PRINTED:
                terminalreporter.write_line(str(text))


def failed(request: pytest.FixtureRequest) -> bool:
    return bool(request.node.stash.get(FAILED, True))


@pytest.fixture(scope="module")
def stages() -> Iterator[Stages]:
    stages = Stages()
    yield stages
    stages.clear()


def shared(name: str, make: Callable[[], SharedWorld]) -> Callable[..., Iterator[SharedWorld]]:
    """A fixture for a world that tests share; after a test that failed the next one gets a new one."""

    def fixture(stages: Stages, request: pytest.FixtureRequest) -> Iterator[SharedWorld]:
        world = stages.shared(name, make)
        yield world
        if failed(request):
            stages.clear()
        else:
            world.check()

    return fixture


def undying() -> SharedWorld:
    """A world whose queue has no dead-letter queue."""
    return SharedWorld({"replyCodeMode": "sequential"}, cloud=Cloud(max_receive_count=None))


random_world = pytest.fixture(shared("random", SharedWorld), name="random_world")
sequential_world = pytest.fixture(
    shared("sequential", lambda: SharedWorld({"replyCodeMode": "sequential"})), name="sequential_world"
)
undying_world = pytest.fixture(shared("undying", undying), name="undying_world")


@pytest.fixture
def new_world(stages: Stages, request: pytest.FixtureRequest) -> Iterator[Callable[..., World]]:
    """Makes a world for this test alone; what it takes is World's. It complains at the end of a test that passed."""
    made: list[World] = []
    with ExitStack() as worlds:

        def enter(params: Mapping[str, Any] | None = None, **settings: Any) -> World:
            stages.clear()
            made.append(worlds.enter_context(World(params, **settings)))
            return made[-1]

        yield enter
        if failed(request):
            leave_silently(worlds)
    if not failed(request):
        assert [line for world in made for line in indiscretions(world)] == []
