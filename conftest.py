"""Unit tests import the runtime as a script does: ours, or the real one that `XSOAR_CONTENT` names."""

import sys

from emulator.content import runtime

sys.path[:0] = runtime().import_folders()
