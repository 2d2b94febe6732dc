"""What the ground floor tells; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# job= (the PeriodicJob): it failed FAILURES_TO_TELL times in a row; sent once for each streak.
job_failing = Signal()
