"""Writes constraints.txt, constraints-oldest.txt and constraints-sdk.txt: today's version of every package.

One version of each package, for Python 3.10 to 3.13 on Linux and macOS, resolved by uv from pyproject.toml.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MAKE = "# Written by `make constraints`: names and versions only.\n"
OLDEST = """\
# The oldest boto3 that the pack supports and what tests it. A file of its own: it differs from constraints.txt in
# boto3, botocore and what they need.
"""
SDK = """\
# demisto-sdk and what it needs. A file of its own: it wants pydantic 1, mypy 0.982, typer 0.16 and networkx 2, where
# moto, the type check and the tests want newer ones.
"""
# File: dependency groups, and why the file is there.
FILES = {
    "constraints.txt": (("dev", "bench"), "# What the demo, the tests, the linters and the benchmark install.\n"),
    "constraints-oldest.txt": (("oldest",), OLDEST),
    "constraints-sdk.txt": (("sdk",), SDK),
}


def versions(groups: Sequence[str]) -> list[str]:
    """`name==version` of all that the groups install, in alphabetical order, without environment markers.

    A constraint on a package that is not installed has no effect, so markers are not needed as long as every package
    has one version.
    """
    uv = str(Path(sys.executable).with_name("uv"))
    bare = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    named = [word for group in groups for word in ("--group", group)]
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.10", *named, *bare]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    pins = [line.partition(" ;")[0] for line in done.stdout.splitlines() if line.strip()]
    names = [pin.partition("==")[0] for pin in pins]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"error: more than one version of {', '.join(twice)} in {', '.join(groups)}")
    return pins


def main() -> None:
    """Resolves every group before it writes the first file."""
    resolved = {name: versions(groups) for name, (groups, _) in FILES.items()}
    for name, pins in resolved.items():
        Path(name).write_text(MAKE + FILES[name][1] + "".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        sys.stdout.write(f"{name}: {len(pins)} packages\n")


if __name__ == "__main__":
    main()
