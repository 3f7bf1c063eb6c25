"""The task queues of the workers: the one that is set, and a second for downloads, which must delay nothing else."""


def downloads_of(task_queue: str) -> str:
    """Where the downloads of the runs on this queue wait, for slots of their own: a file can take hours to come."""
    return f"{task_queue}-downloads"
