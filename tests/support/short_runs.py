"""`python -m tests.support.short_runs EVENTS`: the worker, with batches that continue as new after so many events."""

import sys

import worker
from workflows import policies

if __name__ == "__main__":
    policies.EVENTS_PER_BATCH_RUN = int(sys.argv[1])
    sys.exit(worker.main())
