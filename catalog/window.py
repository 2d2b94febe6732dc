"""The shop window: one read of all plans on sale, filtered and grouped for the page.

A shop has dozens of plans, not thousands, so one command reads them all and the rest is done
here: every filter costs the database the same.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.utils.translation import get_language

from catalog.models import Plan, Platform

HIGHLIGHTS = 6


@dataclass
class Section:
    """A heading and its plans; platform None means one flat list."""

    platform: Platform | None
    plans: list[Plan] = field(default_factory=list)


@dataclass
class Tile:
    """A platform on the landing page."""

    name: str
    slug: str
    tagline: str
    hue: str
    mark: str
    url: str
    plan_count: int
    from_price_paise: int


def plans_on_sale() -> list[Plan]:
    """Return every plan on sale in one command."""
    return list(Plan.objects.on_sale())


def fingerprint(plans: Iterable[Plan]) -> str:
    """Return a key made of everything that a page can show of `plans`, in their order.

    What was rendered from the same plans is kept under it. Nobody can be shown an old price or
    stock by that: the plans are read anew for every page, and other values have another key.
    """
    shown = [(vars(plan), vars(plan.platform)) for plan in plans]
    values = [
        [value for name, value in fields.items() if name != "_state"]
        for pair in shown
        for fields in pair
    ]
    return hashlib.blake2b(repr((get_language(), values)).encode(), digest_size=16).hexdigest()


def platforms_of(plans: Iterable[Plan]) -> list[Platform]:
    """Return the platforms of `plans`, each once, in their order."""
    return list({plan.platform_id: plan.platform for plan in plans}.values())


def tiles(plans: list[Plan], plans_url: str) -> list[Tile]:
    """Return a tile for each platform with its lowest price."""
    result = []
    for platform, group in groupby(plans, key=lambda plan: plan.platform):
        members = list(group)
        result.append(
            Tile(
                name=platform.name,
                slug=platform.slug,
                tagline=platform.tagline,
                hue=platform.hue,
                mark=platform.mark,
                url=f"{plans_url}?platform={platform.slug}",
                plan_count=len(members),
                from_price_paise=min(plan.price_paise for plan in members),
            )
        )
    return result


def highlights(plans: list[Plan]) -> list[Plan]:
    """Return the plans in stock with the biggest saving in per cent."""
    saving = [plan for plan in plans if not plan.is_sold_out and plan.saving_percent]
    return sorted(saving, key=lambda plan: -plan.saving_percent)[:HIGHLIGHTS]


def sections(plans: list[Plan], chosen: dict[str, Any]) -> list[Section]:
    """Return what the filter `chosen` (cleaned data of PlanFilterForm) leaves, grouped."""
    found = [plan for plan in plans if _matches(plan, chosen)]
    sort = chosen.get("sort")
    if sort in ("price", "-price"):
        found.sort(key=lambda plan: plan.price_paise, reverse=sort == "-price")
    elif sort == "saving":
        found.sort(key=lambda plan: -plan.saving_percent)
    if not found:
        return []
    if sort or chosen.get("q"):
        return [Section(None, found)]
    return [
        Section(platform, list(group))
        for platform, group in groupby(found, key=lambda plan: plan.platform)
    ]


def _matches(plan: Plan, chosen: dict[str, Any]) -> bool:
    words = (chosen.get("q") or "").casefold().split()
    text = f"{plan.platform.name} {plan.name} {plan.description} {plan.features}".casefold()
    low, high = chosen.get("min_price"), chosen.get("max_price")
    return (
        all(word in text for word in words)
        and (not chosen.get("platform") or plan.platform.slug == chosen["platform"])
        and (low is None or plan.price_paise >= low)
        and (high is None or plan.price_paise <= high)
        and (not chosen.get("in_stock") or not plan.is_sold_out)
    )
