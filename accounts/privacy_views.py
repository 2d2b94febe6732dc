"""The page on which customers take their data with them or delete their account."""

from django.conf import settings
from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import privacy
from accounts.decorators import CustomerRequest, customer_required
from accounts.errors import DeletionRefused
from ottsonly.error_pages import too_many_requests
from ottsonly.limits import allow

HOUR = 3600


class _Encoder(DjangoJSONEncoder):
    """Writes ids of documents as text."""

    def default(self, o: object) -> object:
        try:
            return super().default(o)
        except TypeError:
            return str(o)


@never_cache
@require_http_methods(["GET", "HEAD"])
@customer_required
def page(request: CustomerRequest) -> HttpResponse:
    """Say what can be done, and what is in the way."""
    return render(request, "accounts/privacy.html", {"hindrance": privacy.hindrance(request.user)})


@never_cache
@require_POST
@customer_required
def export(request: CustomerRequest) -> HttpResponse:
    """Give all data as a file."""
    if not allow(f"export:{request.user.pk}", limit=settings.EXPORTS_PER_HOUR, seconds=HOUR):
        return too_many_requests(request, seconds=HOUR)
    response = JsonResponse(
        privacy.export_data(request.user),
        encoder=_Encoder,
        json_dumps_params={"indent": 2, "ensure_ascii": False},
    )
    response["Content-Disposition"] = 'attachment; filename="ottsonly-my-data.json"'
    return response


@never_cache
@require_POST
@customer_required
def delete(request: CustomerRequest) -> HttpResponse:
    """Delete the account, if nothing is in the way and the box was ticked."""
    if request.POST.get("sure") != "yes":
        messages.error(request, _("Tick the box first: a deleted account does not come back."))
        return redirect("accounts:privacy")
    try:
        privacy.delete_account(user=request.user)
    except DeletionRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("accounts:privacy")
    request.session.flush()
    messages.success(request, _("Your account is deleted."))
    return redirect("catalog:home")
