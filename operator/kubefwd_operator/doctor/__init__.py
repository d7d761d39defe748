"""`kubefwd-operator doctor`: what this machine and this cluster have to offer, check by check.

One room per theme, each made of *looks* (they collect facts, and change nothing) and *judges*
(pure: facts to findings). `checks.py` is the table of all checks, `examine.py` runs them side by
side, each within its time. Only `cli/doctor.py` imports any of it: the operator never pays for it.
"""
