"""Who may see a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User
from ottsonly.requests import page_of

View = Callable[..., HttpResponseBase]


class CustomerRequest(HttpRequest):
    """What a view behind `customer_required` gets: a request whose user is known."""

    user: User


def customer_required(view: View) -> View:
    """Let customers in; strangers are sent to the log-in, staff are refused (403).

    Staff have no wallet: buying and serving are kept apart, so that no operator action can look
    like a customer's.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(page_of(request))
        if not request.user.is_customer:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return wrapped
