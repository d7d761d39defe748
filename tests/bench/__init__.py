"""Measures the product: the real operator under a real Tilt, on the lab.

    python -m tests.bench            every measure, then docs/benchmarks.md
    python -m tests.bench idle kills   only these; the rest of the page stays

Each module of a measure has `measure(place)`, which returns raw numbers; `__main__` adds when and
on what they were measured and keeps them in docs/benchmarks/NAME.json. `page.py` makes the page of
these files alone. Limits are compared on the page: a measure asserts only that what it measures
has happened at all.

place      cluster, Tilt and 250 services, which the measures share
probe      what is measured with: raw HTTP, processes, /etc/hosts, the kernel's tables
machine    when and on what
start      the operator's process -> the first answer
services   a namespace of 250 services appears -> names and listeners -> answers
idle       processor and memory with 250 services
traffic    new connections, a download, requests, beside `kubectl port-forward`
kills      SIGKILL -> the machine is clean
discoveries   1,000 KubernetesDiscovery objects that change
owners     whose connection it is: what asking for it costs
kubefwd    the same 250 services through kubefwd, when it is on PATH
"""

import sys
from pathlib import Path

# One of the measures takes a part of the product by itself; `-m tests.bench` has only the checkout.
sys.path.append(str(Path(__file__).parents[2] / "operator"))
