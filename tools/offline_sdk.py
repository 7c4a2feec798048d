"""demisto-sdk's command line, told what it would ask an image registry: that the pack's images hold Python 3.

xsoar-lint wants to know, only to tell Python 2 from 3, and gives up on an item when no registry answers.
"""

import multiprocessing
import sys

from demisto_sdk.__main__ import app
from demisto_sdk.commands.content_graph.objects import integration_script

PYTHON_OF_IMAGES = "3.12"


def python_of(_image: str) -> str:
    """The Python version of any image of this repository."""
    return PYTHON_OF_IMAGES


if __name__ == "__main__":
    integration_script.get_python_version = python_of
    # The items are linted in child processes, which have to inherit the answer.
    multiprocessing.set_start_method("fork")
    sys.exit(app())
