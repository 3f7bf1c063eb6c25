"""`python -m tests.support.changed_worker`: the worker, with other workflow code for renders."""

import sys

import worker
from tests.support.changed_workflow import ChangedGenerateVideo
from workflows.generate_video import GenerateVideo

if __name__ == "__main__":
    worker.WORKFLOWS[worker.WORKFLOWS.index(GenerateVideo)] = ChangedGenerateVideo
    sys.exit(worker.main())
