"""Platforms, plans and the movements of their stock."""

from typing import Any, NoReturn, Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from ottsonly.append_only import AppendOnlyQuerySet


class Hue(models.TextChoices):
    """Colours of the drawn marks; each has a light and a dark form in the style sheet."""

    CORAL = "coral", _("Coral")
    AMBER = "amber", _("Amber")
    MOSS = "moss", _("Moss")
    TEAL = "teal", _("Teal")
    SKY = "sky", _("Sky")
    INDIGO = "indigo", _("Indigo")
    VIOLET = "violet", _("Violet")
    ROSE = "rose", _("Rose")
    SLATE = "slate", _("Slate")
    BRICK = "brick", _("Brick")


class Mark(models.TextChoices):
    """The drawn marks that a platform can have; no picture comes from elsewhere."""

    PLAY = "play", _("Play")
    WAVE = "wave", _("Wave")
    BARS = "bars", _("Bars")
    PRISM = "prism", _("Prism")
    ORBIT = "orbit", _("Orbit")
    ARCH = "arch", _("Arch")
    SPARK = "spark", _("Spark")
    GRID = "grid", _("Grid")
    KITE = "kite", _("Kite")
    DRUM = "drum", _("Drum")


class Delivery(models.TextChoices):
    """How the customer gets what was bought."""

    INSTANT = "instant", _("Login details at once")
    MANUAL = "manual", _("Prepared by our team")
    CUSTOMER_EMAIL = "customer_email", _("Invitation to your own email")


DELIVERY_NOTES = {
    Delivery.INSTANT: _(
        "Your login details appear on your plan's page as soon as you have paid. If every "
        "account is taken at that moment, yours is the next in line."
    ),
    Delivery.MANUAL: _(
        "Our team prepares your login details and you are told when they are there. Your days "
        "are counted from that moment."
    ),
    Delivery.CUSTOMER_EMAIL: _(
        "You give the email address of your own account and we invite it. Your days are counted "
        "from the invitation."
    ),
}


class Platform(models.Model):
    """A streaming platform whose plans are sold."""

    name = models.CharField(max_length=60)
    slug = models.SlugField(max_length=60, unique=True)
    tagline = models.CharField(max_length=120, blank=True)
    hue = models.CharField(max_length=10, choices=Hue, default=Hue.SLATE)
    mark = models.CharField(max_length=10, choices=Mark, default=Mark.PLAY)
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "platforms"
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class PlanQuerySet(MongoQuerySet):
    """Reads of plans."""

    def on_sale(self) -> Self:
        """Active plans of active platforms, with their platform, in the order of the shelf."""
        return (
            self.filter(is_active=True, platform__is_active=True)
            .select_related("platform")
            .order_by("platform__position", "platform__name", "duration_days", "price_paise")
        )


class Plan(models.Model):
    """What is sold: so many days of a platform at a price."""

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="plans")
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80)
    description = models.TextField(blank=True)
    features = models.TextField(blank=True, help_text=_("One a line."))
    price_paise = models.PositiveIntegerField(validators=[MinValueValidator(100)])
    list_price_paise = models.PositiveIntegerField(null=True, blank=True)
    duration_days = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    stock = models.IntegerField(default=0, editable=False)
    low_stock_threshold = models.PositiveIntegerField(default=5)
    delivery = models.CharField(max_length=20, choices=Delivery, default=Delivery.INSTANT)
    rotate_after_seat = models.BooleanField(
        default=True,
        help_text=_("When a seat ends, nobody new gets the account until its password changed."),
    )
    is_active = models.BooleanField(default=True)

    objects = MongoManager.from_queryset(PlanQuerySet)()

    class Meta:
        db_table = "products"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["platform", "slug"], name="plan_slug_per_platform")
        ]
        indexes = [models.Index(fields=["is_active"], name="plan_active")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("catalog:plan", args=[self.platform.slug, self.slug])

    @property
    def buy_url(self) -> str:
        return reverse("orders:confirm", args=[self.platform.slug, self.slug])

    @property
    def feature_list(self) -> list[str]:
        return [line.strip() for line in self.features.splitlines() if line.strip()]

    @property
    def saving_paise(self) -> int:
        """Paise below the list price; 0 where there is none."""
        return max(0, (self.list_price_paise or 0) - self.price_paise)

    @property
    def saving_percent(self) -> int:
        """Whole per cent below the list price, rounded down: never promised too much."""
        return self.saving_paise * 100 // self.list_price_paise if self.list_price_paise else 0

    @property
    def duration_text(self) -> str:
        return duration_text(self.duration_days)

    @property
    def per_month_paise(self) -> int | None:
        """Price for 30 days in whole rupees, rounded up; None for plans of a month or less."""
        if self.duration_days <= 31:
            return None
        return -(-self.price_paise * 30 // (self.duration_days * 100)) * 100

    @property
    def is_sold_out(self) -> bool:
        return self.stock <= 0

    @property
    def stock_note(self) -> str:
        if self.is_sold_out:
            return str(_("Sold out"))
        if self.stock <= self.low_stock_threshold:
            return str(_("Only %(count)d left")) % {"count": self.stock}
        return ""

    @property
    def delivery_text(self) -> str:
        return str(Delivery(self.delivery).label)

    @property
    def delivery_note(self) -> str:
        return str(DELIVERY_NOTES[Delivery(self.delivery)])


def duration_text(days: int) -> str:
    """Return a number of days as people say it: "1 month", "1 year", "45 days"."""
    if days in (365, 366):
        return str(_("1 year"))
    if days % 30 == 0 or days in (31, 91, 92, 181, 182, 183):
        months = round(days / 30.4)
        return ngettext("%d month", "%d months", months) % months
    return ngettext("%d day", "%d days", days) % days


class StockMovement(models.Model):
    """One change of a plan's stock; the sum of them is the stock."""

    class Reason(models.TextChoices):
        """Why the stock moved."""

        RESTOCK = "restock", _("Restocked")
        SALE = "sale", _("Sold")
        RETURN = "return", _("Returned by a refund")

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="movements")
    delta = models.IntegerField()
    reason = models.CharField(max_length=20, choices=Reason)
    note = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=60, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # A restock carries the key of its form, a sale or return the order's: twice is once.
    key = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        db_table = "stock_movements"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["plan", "-created_at"], name="stock_plan_recent"),
            models.Index(fields=["-created_at"], name="stock_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.delta:+d} {self.reason}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new movement; an existing one is never changed."""
        if not self._state.adding:
            raise TypeError("stock movements are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("stock movements are append-only")


class StockWatch(models.Model):
    """A customer wants to be told, once, when a sold-out plan is there again."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stock_watches"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="watches")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "stock_watches"
        constraints = [models.UniqueConstraint(fields=["plan", "user"], name="watch_once")]

    def __str__(self) -> str:
        return f"watch of {self.plan_id}"
