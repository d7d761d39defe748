"""What a file of this repository may not be or say: pure functions from text to findings."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

# Put together here, so that this file is not its own first finding.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("crates", "io"),
        ("repo1", "maven", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("registry-1", "docker", "io"),
    )
)
MACHINE_PATHS = tuple(
    "/".join(("", *parts, ""))
    for parts in (
        ("work", "main"),
        ("work", "shared"),
        ("root", ".pyenv"),
        ("tmp", "brief"),
        ("tmp", "toolbuild"),
    )
)


def registry_hosts(text: str) -> Iterator[str]:
    """Find hosts of package registries: an address belongs into the user's configuration."""
    for host in REGISTRY_HOSTS:
        if re.search(rf"(?<![\w-]){re.escape(host)}(?![\w-])", text):
            yield f"names the registry host {host}"


def machine_paths(text: str) -> Iterator[str]:
    """Find paths of the machine that somebody worked on."""
    for path in MACHINE_PATHS:
        if path in text:
            yield f"holds the path {path}"


def lock_addresses(name: str, text: str) -> Iterator[str]:
    """Find lock files that carry addresses: pinned hashes do without."""
    if PurePath(name).name == "uv.lock":
        yield "is a lock file with addresses in it: `make lock` writes requirements instead"
    if PurePath(name).name == "package-lock.json" and _has_key(json.loads(text), "resolved"):
        yield "has `resolved` addresses"


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(item, key) for item in value.values())
    return isinstance(value, list) and any(_has_key(item, key) for item in value)


def long_file(text: str, limit: int) -> Iterator[str]:
    """Find a file that is too long to be one noun."""
    lines = len(text.splitlines())
    if lines > limit:
        yield f"has {lines} lines, more than {limit}"


def long_functions(text: str, limit: int) -> Iterator[str]:
    """Find functions that are too long, docstring and all."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > limit:
                yield f"line {node.lineno}: {node.name} has {lines} lines, more than {limit}"


def code_lines(text: str) -> int:
    """Count the lines that hold code: no blank ones, comments or docstrings."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent | {tokenize.ENDMARKER}:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - set(_docstring_lines(ast.parse(text))))


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
