"""Histories of every workflow and branch, recorded from the code that is checked out, for tests/workflow/test_histories.py.

Real server, real workers, the scripted provider. `make histories`; docs/upgrading.md says when.
"""
