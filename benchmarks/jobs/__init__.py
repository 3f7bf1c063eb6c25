"""The same job written for other engines, each a process of its own: create, three polls, fetch the file.

What a process needs to know comes by its environment, `steps.py`; it writes `ready` when it can work.
"""
