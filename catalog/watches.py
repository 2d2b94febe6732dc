"""Customers who want to be told when a sold-out plan is there again."""

import logging
from functools import partial
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from catalog.errors import WatchRefused
from catalog.models import Plan, StockWatch
from catalog.signals import plan_back_in_stock
from ottsonly.jobs import may_continue
from ottsonly.mongo import in_transaction

logger = logging.getLogger(__name__)

BATCH = 100


def watch_plan(*, user: Any, plan: Plan) -> None:
    """Tell this customer once when `plan` is in stock again; twice asked is once.

    Raises:
        WatchRefused: it is in stock now, or only customers can ask.
    """
    if not user.is_customer:
        raise WatchRefused(_("Only customers can ask for this."))
    if not plan.is_sold_out:
        raise WatchRefused(_("This plan is in stock now."))
    try:
        StockWatch.objects.create(user=user, plan=plan)
    except IntegrityError:
        # Asked before.
        return


def is_watched(*, user: Any, plan: Plan) -> bool:
    """Say whether this customer asked for `plan`."""
    if not user.is_authenticated or not user.is_customer:
        return False
    return StockWatch.objects.filter(plan_id=plan.pk, user_id=user.pk).exists()


def unwatch_plan(*, user: Any, plan: Plan) -> None:
    """Do not tell this customer."""
    StockWatch.objects.filter(user_id=user.pk, plan_id=plan.pk).delete()


def tell_watchers() -> None:
    """Tell those whose plan is in stock again; a job of the worker.

    The wish is deleted in the transaction of its notice, so each is told once.
    """
    wanted = StockWatch.objects.order_by().values_list("plan_id", flat=True).distinct()
    back = Plan.objects.on_sale().filter(pk__in=list(wanted), stock__gte=1)
    problem = None
    for plan in back:
        try:
            while may_continue() and in_transaction(partial(_tell_some, plan)):
                continue
        except Exception as error:
            # The job fails in the end, so that people are told, but those behind it go on.
            logger.exception("watchers of plan %s could not be told", plan.pk)
            problem = error
    if problem is not None:
        raise problem


def _tell_some(plan: Plan) -> int:
    watches = list(StockWatch.objects.filter(plan_id=plan.pk).order_by("pk")[:BATCH])
    if watches:
        gone, _by_model = StockWatch.objects.filter(pk__in=[item.pk for item in watches]).delete()
        plan_back_in_stock.send(sender=Plan, plan=plan, watches=watches)
        return gone
    return 0


def export(user: Any) -> dict[str, Any]:
    """Return what this customer asked to be told of."""
    mine = StockWatch.objects.filter(user_id=user.pk)
    return {"stock_watches": list(mine.values("plan__name", "created_at"))}


def forget(user: Any) -> None:
    """Nobody is to be told any more."""
    StockWatch.objects.filter(user_id=user.pk).delete()
