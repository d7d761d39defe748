"""Starts the real helper on places of a test. Arguments: root's folder, Paths as JSON, argv."""

import json
import os
import sys

sys.path.insert(0, sys.argv[1])
from helper import worker  # type: ignore[import-not-found]  # found in root's folder

paths = worker.Paths(**json.loads(sys.argv[2]))
sys.exit(worker.run(paths, sys.argv[3:], dict(os.environ)))
