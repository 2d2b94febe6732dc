"""Addresses of the customer's subscriptions."""

from django.urls import path

from subscriptions import views

app_name = "subscriptions"
urlpatterns = [
    path("", views.subscription_list, name="list"),
    path("<objectid:pk>/", views.subscription_detail, name="detail"),
    path("<objectid:pk>/auto-renew/", views.auto_renew, name="auto_renew"),
    path("<objectid:pk>/credentials/", views.reveal, name="reveal"),
    path("<objectid:pk>/problem/", views.report, name="report"),
]
