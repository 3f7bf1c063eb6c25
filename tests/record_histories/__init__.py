"""Histories of every workflow and branch, as the code that is checked out makes them, for workflow/test_histories.py.

Real server, real workers, the scripted provider. `make histories`; docs/upgrading.md says when. A new workflow or
branch gets a scene in the module of its kind, or a module of its own, which `SCENES` in __main__.py names.
"""
