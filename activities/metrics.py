"""What activities measure: what happens within one attempt, on this worker. Lost with it when it is killed.

Metrics of further kinds belong here, each a function of this file.
"""

from temporalio import activity


def bytes_downloaded(count: int) -> None:
    """Bytes of a video have come, were they of use or not."""
    counter = activity.metric_meter().create_counter("manxue_downloaded_bytes", "Bytes of videos that were fetched")
    counter.add(count)
