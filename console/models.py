"""What the dashboard keeps, so that it need not add up old days again."""

from django.db import models
from django.utils import timezone


class DaySum(models.Model):
    """The sums of one closed day of India; nothing that it counts can change any more.

    `manage.py sum_days --rebuild` makes all of them anew from the documents.
    """

    day = models.CharField(primary_key=True, max_length=10)  # "2026-11-24"
    orders = models.PositiveIntegerField(default=0)
    sales_paise = models.BigIntegerField(default=0)
    topups = models.PositiveIntegerField(default=0)
    topups_paise = models.BigIntegerField(default=0)
    refunds = models.PositiveIntegerField(default=0)
    refunds_paise = models.BigIntegerField(default=0)
    customers = models.PositiveIntegerField(default=0)
    # Platform name to paise.
    platforms = models.JSONField(default=dict)
    # Plan id to units sold.
    plans = models.JSONField(default=dict)
    summed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "day_sums"

    def __str__(self) -> str:
        return self.day
