"""Tilt: how to reach it, what it says, and what we say in it. See `session.py` first."""
