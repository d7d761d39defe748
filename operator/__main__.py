"""The folder as a program: `python -I <this folder> ...`.

`bootstrap.sh` copies this file and the package beside it into the user's cache and runs them from
there. A folder given to Python is the first entry of `sys.path` even in isolated mode (`-I`),
which keeps the developer's PYTHONPATH and PYTHON* variables out of the operator.

    python -I <folder> kopf run ...     Kopf's own command line
    python -I <folder> status ...       the command line tool, kubefwd-operator
"""

import runpy
import sys


def main() -> None:
    """Run Kopf when asked for by name, the command line tool otherwise."""
    if sys.argv[1:2] == ["kopf"]:
        del sys.argv[0]
        runpy.run_module("kopf", run_name="__main__", alter_sys=True)
    else:
        from kubefwd_operator import cli

        cli.main(prog_name="kubefwd-operator")


if __name__ == "__main__":
    main()
