"""The task queues of a fleet. Runs are on the one that is set; downloads have a second, so that they delay nothing else."""


def downloads_of(task_queue: str) -> str:
    """Where the downloads of the runs on this queue wait, for slots of their own: a file can take hours to come."""
    return f"{task_queue}-downloads"
