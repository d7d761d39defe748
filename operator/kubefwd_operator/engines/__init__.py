"""Engines make services answer. They share `engine.py`'s interface and do not know each other."""
