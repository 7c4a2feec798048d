"""demisto-sdk's command line, with two answers of its own that xsoar-lint would look up.

The pack's images hold Python 3: it wants to know, only to tell Python 2 from 3, and gives up on an item when no
image registry answers. And the level of every pack is the strictest, whatever support its metadata names.
"""

import multiprocessing
import sys

from demisto_sdk.__main__ import app
from demisto_sdk.commands.content_graph.objects import integration_script
from demisto_sdk.commands.xsoar_linter import xsoar_linter

PYTHON_OF_IMAGES = "3.12"
LEVEL = "xsoar"

command_of = xsoar_linter.build_xsoar_linter_command


def python_of(_image: str) -> str:
    """The Python version of any image of this repository."""
    return PYTHON_OF_IMAGES


def strictest(_support: str, **settings: bool) -> list[str]:
    """The linter's command for any level of support."""
    return list(command_of(LEVEL, **settings))


if __name__ == "__main__":
    integration_script.get_python_version = python_of
    xsoar_linter.build_xsoar_linter_command = strictest
    # The items are linted in child processes, which have to inherit the answers.
    multiprocessing.set_start_method("fork")
    sys.exit(app())
