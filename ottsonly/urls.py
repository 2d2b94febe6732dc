"""The addresses of the shop; rooms are named by string."""

from django.contrib import admin
from django.urls import include, path

handler400 = "ottsonly.error_pages.bad_request"
handler403 = "ottsonly.error_pages.permission_denied"
handler404 = "ottsonly.error_pages.page_not_found"
handler500 = "ottsonly.error_pages.server_error"

urlpatterns = [
    path("", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("", include("orders.urls")),
    path("wallet/", include("wallet.urls")),
    path("subscriptions/", include("subscriptions.urls")),
    path("receipts/", include("invoices.urls")),
    path("notifications/", include("notifications.urls")),
    path("help/", include("help_pages.urls")),
    path("admin/", include("console.urls")),
    path("admin/", admin.site.urls),
]
