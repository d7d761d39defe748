"""Starts the real worker and guardian on places of a test: PATHS as JSON, then the helper's argv."""

import json
import os
import sys

sys.path.insert(0, sys.argv[1])
from helper import worker  # type: ignore[import-not-found]  # noqa: E402 - found in root's folder

paths = worker.Paths(**json.loads(sys.argv[2]))
sys.exit(worker.run(paths, sys.argv[3:], dict(os.environ)))
