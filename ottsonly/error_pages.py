"""The pages for what went wrong: what happened, what to do now, and whom to ask."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from pymongo.errors import PyMongoError

from ottsonly.mongo import outlasted_every_try

BUSY_SECONDS = 5


def contacts() -> dict[str, str]:
    """Return name and ways to reach the shop, from the settings alone."""
    return {
        "name": settings.SHOP_NAME,
        "support_email": settings.SUPPORT_EMAIL,
        "support_whatsapp_url": settings.SUPPORT_WHATSAPP_URL,
        "support_telegram_url": settings.SUPPORT_TELEGRAM_URL,
    }


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request itself is broken, so nothing of it is used for the page."""
    return _bare_page("400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, with its reason for staff: in the console their role, elsewhere what staff is."""
    context = {"in_console": request.path.startswith(reverse("admin:index"))}
    return render(request, "403.html", context, status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: without the database and the session, which may be what failed."""
    return _bare_page("500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form that is too old, or a browser that keeps no cookies."""
    context = {"cookies_are_off": reason == REASON_NO_CSRF_COOKIE}
    return render(request, "403_csrf.html", context, status=403)


def too_many_requests(request: HttpRequest, message: str = "", *, seconds: int) -> HttpResponse:
    """429: a limit was reached.

    Args:
        message: a sentence for the person; a general one by default.
        seconds: after which it is worth another try, for Retry-After.
    """
    context = {"message": message or _("That was asked too often.")}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


class MethodMiddleware(MiddlewareMixin):
    """405 with a sentence: Django's own answer is an empty page, which browsers call broken.

    People get there by the address bar, or by a log-in in the middle of a form.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        if not response.content and request.accepts("text/html"):
            response.content = render(request, "405.html").content
        return response


class BusyMiddleware(MiddlewareMixin):
    """503 for a write conflict that outlasted every try: nothing was written, so say just that."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DatabaseError | PyMongoError):
            return None
        if not outlasted_every_try(exception):
            return None
        response = _bare_page("503.html", status=503)
        response["Retry-After"] = str(BUSY_SECONDS)
        return response


def _bare_page(template: str, *, status: int) -> HttpResponse:
    context: dict[str, Any] = {"shop": contacts()}
    return HttpResponse(render_to_string(template, context), status=status)
