"""`python -m benchmarks.outbox [ALERTS]`: alerts per second that one worker delivers.

Starts an embedded server of its own (or uses MONGODB_URI) and the fake Bot API in a process of its
own, so that neither shares the interpreter of the worker.
"""

import os
import subprocess
import sys
import time

from benchmarks.database import throw_away_database


def main() -> None:
    """Write the alerts, deliver them, print the figure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    fake = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fake_telegram"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert fake.stdout is not None
    os.environ["TELEGRAM_BASE_URL"] = fake.stdout.readline().strip()
    os.environ["TELEGRAM_BOT_TOKEN"] = "123456:not-a-real-token"  # noqa: S105
    os.environ["TELEGRAM_CHAT_ID"] = "-1001"
    with throw_away_database():
        from telegram_alerts.delivery import deliver_due
        from telegram_alerts.models import Alert

        Alert.objects.bulk_create(
            Alert(kind="new_order", chat="-1001", text=f"alert {number}") for number in range(count)
        )
        started = time.monotonic()
        while Alert.objects.filter(state="pending").exists():
            deliver_due()
        seconds = time.monotonic() - started
        arrived = fake.communicate()[0].strip()
        print(f"{count} alerts in {seconds:.1f} s: {count / seconds:.0f} per second")
        print(f"{arrived} arrived")


if __name__ == "__main__":
    main()
