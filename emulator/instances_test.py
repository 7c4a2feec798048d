from typing import Any

import pytest

from emulator.instances import IntegrationContext


def test_a_write_with_an_older_version_is_refused_and_counted() -> None:
    # Given a context that two read at the same version, and one wrote
    context = IntegrationContext()
    _, version = context.read()
    context.write({"a": "1"}, version)
    # When the other writes
    with pytest.raises(ValueError, match=r"has version 1; version 0 is older\. Read it again\."):
        context.write({"a": "2"}, version)
    # Then the first write stands
    assert (context.read(), context.counters.conflicts) == (({"a": "1"}, 1), 1)


def test_a_write_without_a_version_always_wins() -> None:
    # Given a context that was written / When another is written unchecked / Then it replaces the whole
    context = IntegrationContext()
    context.write({"a": "1"}, 0)
    context.write({"b": "2"})
    assert context.read() == ({"b": "2"}, 2)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"a": [1]}, "Keys and values of the integration context are strings; 'a' is list."),
        ({"a": None}, "'a' is NoneType."),
        ([], "The integration context is a dict of strings, not list."),
    ],
)
def test_anything_but_strings_is_refused_and_changes_nothing(data: Any, sentence: str) -> None:
    # Given a context that was written
    context = IntegrationContext()
    context.write({"a": "1"})
    # When something else than strings is written / Then a sentence says so and nothing changes
    with pytest.raises(TypeError, match=sentence):
        context.write(data)
    assert context.read() == ({"a": "1"}, 1)


def test_reads_writes_and_their_bytes_are_counted() -> None:
    # Given a context / When four characters of five bytes are written and read twice
    context = IntegrationContext()
    context.write({"key": "é"})
    context.read()
    context.read()
    # Then the counters say so
    counters = context.counters
    assert (counters.reads, counters.writes, counters.bytes_read, counters.bytes_written) == (2, 1, 10, 5)


def test_what_was_read_is_a_copy() -> None:
    # Given what was read from a context / When it is changed / Then the context is not
    context = IntegrationContext()
    context.read()[0]["a"] = "1"
    assert context.read()[0] == {}
