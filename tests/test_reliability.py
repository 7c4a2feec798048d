"""docs/reliability.md names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLES = HERE.parent / "docs" / "reliability.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    """The rows of the tables of faults, without their heads."""
    faults = TABLES.read_text("utf-8").partition("## The soak")[0]
    return [line for line in faults.splitlines() if line.startswith("| ") and not line.startswith("| Fault ")]


@cache
def functions_in(name: str) -> set[str]:
    """The names of the test functions in a file of this folder; none when there is no such file."""
    file = HERE / name
    tree = ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_fault_names_a_test_that_exists() -> None:
    # Given the tables of faults / When the last column of each row is read
    named = {row: NAMED.findall(row.rpartition(" | ")[2]) for row in rows()}
    # Then it holds a test at least, and each is there
    assert len(named) > 50
    assert [row for row, tests in named.items() if not tests] == []
    assert [
        f"{file}::{test}" for tests in named.values() for file, test in tests if test not in functions_in(file)
    ] == []
