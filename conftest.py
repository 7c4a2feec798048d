"""Unit tests import the runtime as a script does: ours, or the real one that `XSOAR_CONTENT` names."""

import sys

import pytest

from emulator.content import ContentError, runtime


def pytest_configure() -> None:
    try:
        sys.path[:0] = runtime().import_folders()
    except ContentError as error:
        raise pytest.UsageError(str(error)) from None
