"""Counts which branches of root's modules the unit tests of this folder take, in one process.

    PYTHONPATH=operator python -m tests.unit.root.branches

prints those that are never taken. A branch is an outcome of a condition (of `if`, `while`, `a if b
else c`, of each part of `and` and `or`, of a comprehension), a loop that is entered and one that
comes to its end, an `except` that catches, and a function that is called. Instead of tracing, which
sees lines only, the modules are compiled with a probe in each of these places.
"""

import ast
import builtins
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

PACKAGE = "kubefwd_operator.root.helper."
PURE = ("names", "protocol", "session", "kubefwd.output", "kubefwd.sweep", "kubefwd.wire")
# Reading as the user, and links of root's, can be tried by root only.
ROOTS = ("hosts", "ledger", "listeners", "peer", "kubefwd.pinned")
MODULES = (*PURE, *ROOTS) if os.geteuid() == 0 else PURE
# Random lines, and writes that are killed at each line in a process of their own, are not rows.
LEFT_OUT = ("test_branches.py", "test_fuzz.py", "test_hosts_killed.py")
RANDOM = "test_no_line_raises_or_changes_anything"
Branch = tuple[str, int, str]


class Taken:
    """All branches that there are, and those that were taken."""

    def __init__(self) -> None:
        self.all: set[Branch] = set()
        self.seen: set[Branch] = set()

    def condition(self, file: str, line: int, what: str, value: object) -> object:
        """Note whether it holds, and return it."""
        self.seen.add((file, line, f"`{what}` is {bool(value)}"))
        return value

    def place(self, file: str, line: int, what: str) -> bool:
        """Note that this place was reached."""
        self.seen.add((file, line, what))
        return True

    def missing(self) -> list[str]:
        return [f"{file}:{line}: {what}" for file, line, what in sorted(self.all - self.seen)]


class Probes(ast.NodeTransformer):
    """Puts a probe into each place of one module where it may go this way or that."""

    def __init__(self, file: str, source: str, taken: Taken) -> None:
        self._file, self._source, self._taken = file, source, taken

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            node.test = self._condition(node.test)
        elif isinstance(node, ast.BoolOp):
            node.values = [*map(self._condition, node.values[:-1]), node.values[-1]]
        elif isinstance(node, ast.comprehension):
            node.ifs = [self._condition(test) for test in node.ifs]
        elif isinstance(node, ast.For):
            node.body.insert(0, self._place(node, "the loop is entered"))
            node.orelse.insert(0, self._place(node, "the loop comes to its end"))
        elif isinstance(node, ast.ExceptHandler):
            node.body.insert(0, self._place(node, "it is caught"))
        elif isinstance(node, ast.FunctionDef):
            node.body.insert(0, self._place(node, f"{node.name} is called"))
        elif isinstance(node, ast.Lambda):
            called = self._place(node, "the lambda is called").value
            node.body = ast.BoolOp(ast.And(), [called, node.body])
        return node

    def _condition(self, test: ast.expr) -> ast.expr:
        if isinstance(test, ast.Constant):
            return test
        what = " ".join((ast.get_source_segment(self._source, test) or "").split())
        for value in (True, False):
            self._taken.all.add((self._file, test.lineno, f"`{what}` is {value}"))
        return self._call("condition", test.lineno, what, test)

    def _place(self, node: ast.stmt | ast.expr | ast.ExceptHandler, what: str) -> ast.Expr:
        self._taken.all.add((self._file, node.lineno, what))
        return ast.Expr(self._call("place", node.lineno, what))

    def _call(self, method: str, line: int, what: str, *more: ast.expr) -> ast.Call:
        probe = ast.Attribute(ast.Name("__taken__", ast.Load()), method, ast.Load())
        where = [ast.Constant(self._file), ast.Constant(line), ast.Constant(what)]
        return ast.Call(probe, [*where, *more], [])


class Loader(SourceFileLoader):
    """Compiles a module with probes; no cache knows of it."""

    def __init__(self, name: str, path: str, taken: Taken) -> None:
        super().__init__(name, path)
        self._taken = taken

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        probes = Probes(Path(self.path).name, source, self._taken)
        tree = ast.fix_missing_locations(probes.visit(ast.parse(source)))
        return compile(tree, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules that are counted, before anybody else does."""

    def __init__(self, modules: Sequence[str], taken: Taken) -> None:
        self._names, self._taken = {PACKAGE + module for module in modules}, taken

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in self._names else None
        if spec and spec.origin:
            spec.loader = Loader(fullname, spec.origin, self._taken)
        return spec


def untaken(modules: Sequence[str] = MODULES) -> Iterator[str]:
    """Run the unit tests of this folder; say if they fail, and what they have not taken."""
    taken = Taken()
    vars(builtins)["__taken__"] = taken
    sys.meta_path.insert(0, Finder(modules, taken))
    here = Path(__file__).parent
    left_out = [f"--ignore={here / name}" for name in LEFT_OUT]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
    code = pytest.main([*options, *left_out, "-k", f"not {RANDOM}", str(here)])
    if code:
        yield f"pytest has ended with code {code}"
    yield from taken.missing()


if __name__ == "__main__":
    sys.exit("\n".join(untaken()) or 0)
