"""Puts the first scene of a real `make demo` into README.md."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MARKED = re.compile(r"(?<=<!-- demo -->\n```\n).*?(?=```\n<!-- /demo -->)", re.DOTALL)
SECOND_SCENE = re.compile(r"^2 {2}", re.MULTILINE)


def first_scene() -> str:
    """What the demo prints before its second scene. CalledProcessError when the demo fails."""
    command = [sys.executable, "-m", "emulator", "demo"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    return SECOND_SCENE.split(output)[0].strip() + "\n"


def shown_scene() -> str:
    """The scene that README.md shows. LookupError when its place is not marked."""
    found = MARKED.search(README.read_text(encoding="utf-8"))
    if not found:
        raise LookupError('README.md has no "<!-- demo -->" mark with a code block under it.')
    return found[0]


def main() -> None:
    shown_scene()
    scene = first_scene()
    README.write_text(MARKED.sub(lambda _: scene, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
