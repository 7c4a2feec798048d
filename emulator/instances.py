"""Integration instances: parameters, health, log and the versioned integration context."""

import threading
from dataclasses import dataclass, field
from typing import Any

from emulator.packs import Integration


@dataclass
class Counters:
    """Calls on the integration context and the bytes of its keys and values (UTF-8) they moved."""

    reads: int = 0
    writes: int = 0
    conflicts: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


@dataclass(frozen=True)
class LogLine:
    source: str
    level: str
    text: str


class IntegrationContext:
    """One dict of strings with a version. Every call is atomic."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._lock = threading.Lock()
        self._data: dict[str, str] = {}
        self._size = 0
        self._version = 0

    def read(self) -> tuple[dict[str, str], int]:
        with self._lock:
            self.counters.reads += 1
            self.counters.bytes_read += self._size
            return dict(self._data), self._version

    def write(self, data: Any, version: int = -1) -> None:
        """Replace everything. Raises ValueError when `version` is older than what is stored (-1: not checked).

        Raises TypeError when it is no dict of strings; nothing is changed then.
        """
        _require_strings(data)
        size = sum(map(_size, data)) + sum(map(_size, data.values()))
        with self._lock:
            self._require_current(version)
            self.counters.writes += 1
            self.counters.bytes_written += size
            self._data, self._size, self._version = dict(data), size, self._version + 1

    def _require_current(self, version: int) -> None:
        if version != -1 and version < self._version:
            self.counters.conflicts += 1
            raise ValueError(
                f"The integration context has version {self._version}; version {version} is older. Read it again."
            )


def _require_strings(data: Any) -> None:
    if not isinstance(data, dict):
        raise TypeError(f"The integration context is a dict of strings, not {type(data).__name__}.")
    for key, value in data.items():
        if not isinstance(value, str):
            raise TypeError(
                f"Keys and values of the integration context are strings; '{key}' is {type(value).__name__}. "
                "Keep structured data as JSON text."
            )


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@dataclass
class Instance:
    """`health` is the text under the instance, empty when well; `health_history` every text it ever showed."""

    name: str
    integration: Integration = field(repr=False)
    params: dict[str, Any] = field(repr=False)
    enabled: bool = True
    context: IntegrationContext = field(default_factory=IntegrationContext, repr=False)
    health_history: list[str] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list, repr=False)

    @property
    def brand(self) -> str:
        return self.integration.id

    @property
    def health(self) -> str:
        return self.health_history[-1] if self.health_history else ""

    @property
    def logs(self) -> list[tuple[str, str]]:
        """(level, text) of everything its containers logged."""
        return [(line.level, line.text) for line in self.log]
