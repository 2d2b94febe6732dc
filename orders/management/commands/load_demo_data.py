"""`manage.py load_demo_data`: a shop to try, made by the services so that its books agree."""

import base64
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import TotpDevice, User
from catalog.models import Delivery, Plan, Platform
from catalog.services import restock
from orders.quotes import quote_for, read_quote
from orders.services import place_order
from subscriptions.services import add_credential
from wallet.services import adjust_wallet, ensure_wallet

CUSTOMER, SUPPORT, ADMIN = "+919876543210", "+919876543211", "+919876543212"

# Invented platforms: name, slug, tagline, hue, mark.
PLATFORMS = [
    ("Nataka Plus", "nataka-plus", "Stage, series and late-night drama", "coral", "play"),
    ("Pavilion Sports", "pavilion-sports", "Every over, every half", "moss", "arch"),
    ("Surtaal", "surtaal", "Concerts and music films", "violet", "wave"),
    ("Cinemaa One", "cinemaa-one", "First-week films in nine languages", "amber", "prism"),
    ("Toontara", "toontara", "Cartoons that grown-ups like too", "sky", "kite"),
    ("Aranya Docs", "aranya-docs", "Slow, true stories", "teal", "orbit"),
]
# Platform, name, price and list price in rupees, days, stock, delivery, seats, features.
PLANS = [
    ("nataka-plus", "Mobile", 99, 149, 30, 40, "instant", 12, "One phone\n480p"),
    ("nataka-plus", "Premium", 249, 349, 30, 25, "instant", 10, "Four screens\n4K HDR\nDownloads"),
    ("nataka-plus", "Premium year", 2399, 3499, 365, 8, "instant", 4, "Four screens\n4K HDR"),
    ("pavilion-sports", "Season pass", 699, 999, 90, 20, "instant", 8, "Live matches\nTwo screens"),
    ("pavilion-sports", "Year", 1499, 1999, 365, 3, "manual", 0, "Live matches\nFour screens\n4K"),
    ("surtaal", "Solo", 79, 119, 30, 30, "customer_email", 0, "Lossless sound\nYour own account"),
    ("surtaal", "Family", 149, 179, 30, 15, "customer_email", 0, "Six people\nLossless sound"),
    ("cinemaa-one", "Standard", 199, 299, 30, 18, "instant", 8, "Two screens\n1080p\nNo adverts"),
    ("cinemaa-one", "Quarter", 549, 799, 90, 10, "instant", 5, "Two screens\n1080p"),
    ("cinemaa-one", "Festival", 129, None, 15, 0, "instant", 0, "Two weeks of premieres"),
    ("toontara", "Kids", 89, 129, 30, 22, "instant", 8, "Parental lock\nDownloads"),
    ("toontara", "Kids half year", 449, 599, 180, 9, "instant", 4, "Parental lock"),
    ("aranya-docs", "Reader", 119, 149, 30, 14, "manual", 0, "4K\nTwo screens"),
    ("aranya-docs", "Reader year", 999, 1299, 365, 5, "manual", 0, "4K\nFour screens"),
]


class Command(BaseCommand):
    """Fill an empty shop once; only in development."""

    help = "Load demo platforms, plans, accounts, people and a few orders (DEBUG only)."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Demo data is for development: it needs DEBUG=true.")
        self._people()
        if Plan.objects.filter(slug="reader-year").exists():
            return
        self._shelf()
        self._history()

    def _people(self) -> None:
        for phone, role, name in (
            (CUSTOMER, "user", "Asha Verma"),
            (SUPPORT, "support", "Ravi (support)"),
            (ADMIN, "admin", "Meera (admin)"),
        ):
            user = User.objects.filter(phone=phone).first()
            if user is None:
                user = User.objects.create(phone=phone, role=role, name=name)
            # Enrolled already: in the demo the page itself shows what the authenticator would.
            if user.is_staff and not TotpDevice.objects.filter(user=user).exists():
                key = base64.b32encode(secrets.token_bytes(20)).decode()
                TotpDevice.objects.create(user=user, name="demo", key=key)

    def _shelf(self) -> None:
        platforms = {}
        for position, (name, slug, tagline, hue, mark) in enumerate(PLATFORMS):
            platforms[slug], _made = Platform.objects.get_or_create(
                slug=slug,
                defaults={
                    "name": name,
                    "tagline": tagline,
                    "hue": hue,
                    "mark": mark,
                    "position": position,
                },
            )
        for slug, name, price, list_price, days, stock, delivery, seats, features in PLANS:
            plan, _made = Plan.objects.get_or_create(
                platform=platforms[slug],
                slug=name.lower().replace(" ", "-"),
                defaults={
                    "name": name,
                    "price_paise": price * 100,
                    "list_price_paise": list_price and list_price * 100,
                    "duration_days": days,
                    "delivery": delivery,
                    "features": features,
                },
            )
            if stock:
                restock(plan=plan, delta=stock, note="Opening", actor=None, key=f"demo:{plan.pk}")
            for number in range(seats if delivery == Delivery.INSTANT else 0):
                login = f"demo.{plan.slug}.{number + 1}@accounts.example"
                self._account(plan, login)

    @staticmethod
    def _account(plan: Plan, login: str) -> None:
        add_credential(
            plan=plan,
            login=login,
            password=secrets.token_urlsafe(9),
            pin=f"{secrets.randbelow(10_000):04d}",
            profile="Profile 1",
            actor=None,
        )

    def _history(self) -> None:
        customer = User.objects.get(phone=CUSTOMER)
        ensure_wallet(customer.pk)
        adjust_wallet(
            user=customer,
            amount_paise=2000_00,
            reason="Welcome credit of the demo",
            actor=None,
            key="demo",
        )
        for platform, slug in (("nataka-plus", "premium"), ("aranya-docs", "reader")):
            plan = Plan.objects.select_related("platform").get(platform__slug=platform, slug=slug)
            quote = read_quote(quote_for(user=customer, plan=plan), user=customer, plan=plan)
            place_order(user=customer, quote=quote)
