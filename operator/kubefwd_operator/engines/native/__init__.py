"""The native engine: lazy, per-connection port-forwards behind loopback addresses of our own.

`plan.py` decides (pure), `engine.py` carries the decision out through the helper, `listener.py`
accepts for a target (`target.py`), `picker.py` finds a pod of it at connect time, `connection.py`
carries one connection between `client.py` (the local side) and a `transport/` stream (the pod's).
"""
