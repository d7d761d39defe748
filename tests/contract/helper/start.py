"""Starts the real helper on places of a test. Arguments: root's folder, Paths as JSON, argv.

With NOT_PRIVATE in the environment, kubefwd is run as where mount namespaces do not exist.
"""

import functools
import json
import os
import signal
import sys

sys.path.insert(0, sys.argv[1])
from helper import worker  # type: ignore[import-not-found]  # found in root's folder

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests are run by nohup
if "NOT_PRIVATE" in os.environ:
    worker.Kubefwd = functools.partial(worker.Kubefwd, private=False)
paths = worker.Paths(**json.loads(sys.argv[2]))
sys.exit(worker.run(paths, sys.argv[3:], dict(os.environ)))
