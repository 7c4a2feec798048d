"""What the emulator did since it was last told: texts that arrived, tasks that resumed, the health of the instance."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from emulator.incidents import Task
from emulator.story import Story
from emulator.world import World


class News:
    """Tells each thing once. Safe to use from several threads."""

    def __init__(self, world: World, story: Story) -> None:
        self._world, self._story = world, story
        self._telling = threading.Lock()
        self._texts = self._health = 0
        self._well = True
        self._resumed: list[Task] = []
        self._replied: float | None = None
        world.server.on_task_completed.append(lambda _incident, task: self._resumed.append(task))

    def replied(self) -> None:
        """A phone replies now: tasks that resume from here on are measured against it."""
        self._replied = time.monotonic()

    def replied_without_clock(self) -> None:
        """A reply comes from a command: the time its container takes to start says nothing."""
        self._replied = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Tell nothing while the block runs, so that a reply is shown before what comes of it."""
        with self._telling:
            yield

    def has_text_for(self, phone: str) -> bool:
        """Whether a text for `phone` was not told yet."""
        return any(text.phone == phone for text in self._world.cloud.texts[self._texts :])

    def tell_until(self, ended: threading.Event) -> None:
        """Tell everything as it comes, until `ended` is set."""
        while not ended.is_set():
            self._world.cloud.wait_until(lambda: ended.is_set() or self._untold(), within=1)
            self.tell()

    def tell(self) -> None:
        """Tell what is new: tasks, then texts, then the health."""
        with self._telling:
            self._tell_tasks()
            self._tell_texts()
            self._tell_health()

    def _untold(self) -> bool:
        health = len(self._world.instance.health_history)
        return bool(self._resumed or len(self._world.cloud.texts) > self._texts or health > self._health)

    def _tell_tasks(self) -> None:
        while self._resumed:
            task = self._resumed.pop(0)
            since = None if self._replied is None else (task.completed_at or 0) - self._replied
            self._story.resumes(task, None if since is None else since * 1000)

    def _tell_texts(self) -> None:
        texts = self._world.cloud.texts[self._texts :]
        self._texts += len(texts)
        for text in texts:
            self._story.receives(text.phone, text.text)

    def _tell_health(self) -> None:
        told = self._world.instance.health_history[self._health :]
        self._health += len(told)
        for text in told:
            if text or not self._well:
                self._story.note(f"Health of the instance: {text or 'well again'}")
            self._well = not text
