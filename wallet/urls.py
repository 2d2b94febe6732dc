"""Addresses of the wallet."""

from django.urls import path

from wallet import statement_views, views

app_name = "wallet"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("statement/", statement_views.statement, name="statement"),
    path("statement/print/", statement_views.statement_print, name="statement_print"),
    path("statement/csv/", statement_views.statement_csv, name="statement_csv"),
    path("topup/", views.topup, name="topup"),
    path("topup/<objectid:pk>/", views.checkout, name="checkout"),
    path("topup/<objectid:pk>/callback/", views.callback, name="callback"),
    path("razorpay/webhook", views.webhook, name="webhook"),
]
