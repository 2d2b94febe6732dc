"""`python -m benchmarks.expiry [SUBSCRIPTIONS]`: how long it takes to end subscriptions.

Each has a seat of a shared account, and gets its state, its seat back, its reminder and its notice.
"""

import resource
import sys
import time
from datetime import timedelta

from benchmarks.database import throw_away_database

SEATS = 4


def main() -> None:
    """Fill a database, let everything end, check what is left and print the figure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with throw_away_database():
        from notifications.models import Notification
        from ottsonly import clock
        from subscriptions.lifecycle import expire_due
        from subscriptions.models import Credential, Reminder, Subscription

        now = clock.now()
        _fill(count, now)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.monotonic()
        while Subscription.objects.filter(state="active").exists():
            expire_due()
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert Reminder.objects.filter(kind="ended").count() == count
        assert Notification.objects.count() == count
        assert Subscription.objects.filter(holds_seat=True).count() == 0
        free = Credential.objects.filter(seats_used=0, state="available", rotation_due=True)
        assert free.count() == -(-count // SEATS)
        memory = (after - before) / 1024
        print(f"{count} subscriptions ended in {seconds:.1f} s, {memory:.0f} MiB more memory")


def _fill(count, now) -> None:
    from accounts.models import User
    from catalog.models import Plan, Platform
    from subscriptions.models import Credential, Subscription

    platform = Platform.objects.create(name="Pavilion", slug="pavilion")
    plan = Plan.objects.create(
        platform=platform, name="Premium", slug="premium", price_paise=19900, duration_days=30
    )
    users = [User(phone=f"+91900{number:07d}") for number in range(count // 10 + 1)]
    User.objects.bulk_create(users)
    accounts = [
        Credential(
            plan=plan,
            login=f"login {number}",
            password="x",  # noqa: S106
            seats=SEATS,
            seats_used=min(SEATS, count - number * SEATS),
            state="full" if count - number * SEATS >= SEATS else "available",
            fingerprint=f"{number:064d}",
        )
        for number in range(-(-count // SEATS))
    ]
    Credential.objects.bulk_create(accounts)
    for start in range(0, count, 1000):
        Subscription.objects.bulk_create(
            Subscription(
                user=users[number // 10],
                plan=plan,
                platform_name="Pavilion",
                plan_name="Premium",
                hue="slate",
                mark="play",
                delivery="instant",
                paid_days=30,
                starts_at=now - timedelta(days=40),
                delivered_at=now - timedelta(days=40),
                ends_at=now - timedelta(days=5, seconds=-number),
                credential=accounts[number // SEATS],
                holds_seat=True,
            )
            for number in range(start, min(start + 1000, count))
        )


if __name__ == "__main__":
    main()
