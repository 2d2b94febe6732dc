"""The addresses of the shop; rooms are named by string."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("", include("orders.urls")),
    path("wallet/", include("wallet.urls")),
    path("subscriptions/", include("subscriptions.urls")),
    path("notifications/", include("notifications.urls")),
    path("admin/", admin.site.urls),
]
