"""`python -m tests.support.short_runs EVENTS`: the worker, with runs that continue as new after so many events."""

import sys

import worker
from workflows import policies

if __name__ == "__main__":
    policies.EVENTS_PER_BATCH_RUN = policies.EVENTS_PER_RUN = int(sys.argv[1])
    sys.exit(worker.main())
