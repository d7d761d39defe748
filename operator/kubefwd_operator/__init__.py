"""kubefwd-operator: a Kopf operator on Tilt's apiserver that forwards what Tilt deploys.

`docs/architecture.md` is the map of this package. The version lives here and nowhere else.
"""

__version__ = "0.1.0"
