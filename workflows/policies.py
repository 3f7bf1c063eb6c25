"""Every timeout and retry policy, named after the activity it is for. Durations are wall-clock time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from activities.poll_attempt import LONGEST_WAIT, SHORTEST_WAIT, WAIT_ENDS_BEFORE
from workflows.summaries import line

_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=2), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)

VALIDATE = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=4),  # the media have 100 s, a look at the output's store about 40 s
    heartbeat_timeout=timedelta(seconds=30),  # beaten every 5 s
    # A verdict is final by its type. What is retried is a worker that died or has too many media to look at, and an
    # error that nobody foresaw.
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=10),
)

REVIEW_ASSETS = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=3),  # hashing the images, then one update to each review
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_PATIENT,  # asking again for the same reviews changes nothing
)

ASK_AGAIN = timedelta(minutes=10)
"""After which a run that waits for reviews asks for them anew, should one have been terminated from outside."""

REVIEW_PATIENCE = timedelta(hours=24)
"""For the provider's verdict on an asset; the runs that wait for it have deadlines of their own."""

UPLOAD_ASSETS = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),  # one POST of at most 75 s
    heartbeat_timeout=timedelta(seconds=15),  # how soon a dead worker is noticed, while runs wait
    schedule_to_close_timeout=REVIEW_PATIENCE,
    retry_policy=_PATIENT,  # a second upload makes second assets, which cost nothing
)

ASSET_STATE = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=15),  # how soon a dead worker is noticed, while runs wait
    schedule_to_close_timeout=REVIEW_PATIENCE,
    retry_policy=_PATIENT,
)

LOOK_AGAIN = ActivityConfig(
    # A run waits for this: the remembered answer is better than a long wait for a fresh one.
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
LOOK_AGAIN_AFTER = timedelta(minutes=10)
"""How old the provider's last word about an active asset may be when somebody wants to use it: assets can lapse."""

SUBMIT = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=3),  # longer than the POST (75 s) with a look at earlier runs before it
    # How soon a dead worker is noticed; and how long the Temporal server may be away while an answer is awaited.
    heartbeat_timeout=timedelta(seconds=60),
    retry_policy=RetryPolicy(maximum_attempts=1),  # only the workflow decides to pay
    # A cancelled run still waits for the answer to a POST in flight: its task id is what the caller paid for.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)

ASK_ADMISSION = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=20),  # a signal, or a query, to the execution that admits
    retry_policy=_PATIENT,  # asking again changes nothing
)
PLACE_FIRST_LOOK = timedelta(seconds=2)
"""Most runs need not wait; one that is not admitted by then asks for its place."""
PLACE_LOOK_EACH = timedelta(seconds=2)
"""For each place in the queue, between two looks at it."""
PLACE_SHORTEST_LOOK, PLACE_LONGEST_LOOK = timedelta(seconds=15), timedelta(minutes=10)
"""So that the looks cost little however many wait. A look also heals what was lost."""

LEFT_SLOTS = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),  # a short call for each slot, ten at a time
    schedule_to_close_timeout=timedelta(minutes=5),
    retry_policy=_PATIENT,
)
LOOK_AT_SLOTS = timedelta(minutes=1)
"""How often, while somebody waits for a slot, those who hold one are looked at."""
EARLIER_ADMISSION = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),  # a list, a query, and the lag of the list
    schedule_to_close_timeout=timedelta(minutes=2),  # then the queue begins empty
    retry_policy=_PATIENT,
)
ADMISSION_KEPT = timedelta(hours=1)
"""How long an execution without anybody in it waits for the next run."""
ADMISSIONS_AT_ONCE = 100
"""Signals in one answer to the server."""
EVENTS_PER_ADMISSION_RUN = 2000
"""As EVENTS_PER_RUN, for about 150 renders: there is one such execution for an account."""

POLL = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=45),  # one GET of at most 25 s
    heartbeat_timeout=timedelta(seconds=10),  # how soon a dead worker is noticed; an answer within a second needs none
    # A few quick tries; then the workflow shows the outage and asks again at its own pace, until the deadline.
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=3.0, maximum_attempts=3),
)

POLLS_AHEAD = 20
"""How many more questions a poll may ask by itself while nothing changes: the run hears of them only at their end."""
LONGEST_PLAN = timedelta(minutes=30)
"""How long a poll goes on asking by itself, be questions ever so far apart; a second one it asks in any case. So long
a run may stay on a build that is to go."""
SHORTEST_NOTICE = timedelta(seconds=6)
"""The shortest heartbeat timeout of a poll that may wait, so that a busy worker is not taken for a dead one."""
CRASHES_OF_A_POLL = 3
"""How many workers may die at it before the workflow takes over again."""

POLL_PATIENCE = timedelta(seconds=30)
"""For the last poll before the deadline, queueing and tries included."""

DOWNLOAD = ActivityConfig(
    start_to_close_timeout=timedelta(hours=6),
    heartbeat_timeout=timedelta(seconds=30),  # beaten every 5 s while bytes come and while the file is checked
    # The render is paid for, so a broken download or a full disk is worth two days of patience.
    schedule_to_close_timeout=timedelta(hours=48),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=5)
    ),
)

NOT_ACCEPTED_FIRST_WAIT = timedelta(seconds=5)
"""Before submitting again what the provider did not accept, doubling up to the longest wait."""
NOT_ACCEPTED_LONGEST_WAIT = timedelta(minutes=5)

REVIEW_FIRST_WAIT = timedelta(seconds=3)
"""Between status calls of an asset review, growing by half each time: review takes seconds to minutes."""
REVIEW_LONGEST_WAIT = timedelta(seconds=30)

BOUNDED_PATIENCE = timedelta(minutes=15)
"""How long a paid task may answer nonsense (404, an unknown status, a refused key) before the run stops asking."""
ADOPTED_PATIENCE = timedelta(seconds=20)
"""The same for a task id that the caller gave and that never answered: it may be a typing error."""
INCOMPLETE_PATIENCE = timedelta(minutes=5)
"""How long `completed` may come without a URL."""
FEWEST_USELESS, FEWEST_OF_ADOPTED = 3, 2
"""How many such answers of one kind it takes in any case: late in a long render questions are far apart."""

NOTIFY_DAYS = timedelta(days=3)
"""How long a receiver that does not answer is tried."""
NOTIFY = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=20),  # one POST of at most 15 s
    schedule_to_close_timeout=NOTIFY_DAYS,
    retry_policy=RetryPolicy(  # after 5, 15, 45 s, 2, 7, 20 min, and then every hour: about 80 attempts
        initial_interval=timedelta(seconds=5), backoff_coefficient=3.0, maximum_interval=timedelta(hours=1)
    ),
)
NOTIFY_PATIENCE = timedelta(seconds=30)
"""How long a run that is over waits to see that it was told; the delivery itself goes on without the run."""
CANCELED_NOTIFY_PATIENCE = timedelta(seconds=2)
"""The same after a cancellation, whose end somebody waits for."""

EVENTS_PER_RUN = 700
"""History events before continue-as-new, about 60 polls: replaying a poll costs 3 to 4 ms, and a worker that takes
over thousands of runs must not spend seconds on each. Temporal itself would suggest it at 4,096."""


CHECK_PAGE = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=1),  # 250 requests against the rules, offline
    heartbeat_timeout=timedelta(seconds=15),
    retry_policy=_PATIENT,
)

READ_PAGE = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=20),  # one call to the Temporal server
    retry_policy=_PATIENT,
)

RUN_ENDS = ActivityConfig(
    start_to_close_timeout=timedelta(hours=1),  # it answers after half an hour at most
    heartbeat_timeout=timedelta(seconds=20),  # how soon a dead worker is noticed
    retry_policy=_PATIENT,
)

ENDED_RUNS = ActivityConfig(
    # A run that is over waits for this: what is not known soon is told as not known.
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(seconds=20),
    retry_policy=_PATIENT,
)

EVENTS_PER_BATCH_RUN = 1500
"""As EVENTS_PER_RUN, for about 200 requests: each costs six to nine events. There are few batches at a time."""


def asking_further(config: ActivityConfig, moments: Sequence[datetime]) -> ActivityConfig:
    """For a poll that begins at the first of these moments and asks at the others: when, it says itself.

    The heartbeat timeout is for the longest of its waits that an attempt may take upon itself; nothing heartbeats
    meanwhile, which would cost as much as an attempt. The retry policy is for workers that die.
    """
    patient = config.copy()
    patient["retry_policy"] = RetryPolicy(
        initial_interval=timedelta(seconds=0.5),
        backoff_coefficient=1.0,
        maximum_attempts=len(moments) + CRASHES_OF_A_POLL,
    )
    waits = [later - sooner for sooner, later in pairwise(moments)]
    if taken := [wait for wait in waits if SHORTEST_WAIT <= wait <= LONGEST_WAIT]:
        answer = config["start_to_close_timeout"]
        assert answer
        patient["heartbeat_timeout"] = max(max(taken) + WAIT_ENDS_BEFORE, SHORTEST_NOTICE)
        patient["start_to_close_timeout"] = max(taken) + answer
    return patient


def told(
    policy: ActivityConfig, summary: str, priority: Priority | None = None, patience: timedelta | None = None
) -> ActivityConfig:
    """A policy with what only one call knows: its summary in the Web UI, and how long it may be tried again."""
    config = policy.copy()
    config["summary"] = line(summary)
    if priority is not None:
        config["priority"] = priority
    if patience is not None:
        config["schedule_to_close_timeout"] = patience
    return config
