"""Addresses of the papers."""

from django.urls import path

from invoices import views

app_name = "invoices"
urlpatterns = [
    path("orders/<objectid:pk>/", views.order, name="order"),
    path("orders/<objectid:pk>/pdf/", views.order, {"pdf": True}, name="order_pdf"),
    path("refunds/<objectid:pk>/", views.refund, name="refund"),
    path("refunds/<objectid:pk>/pdf/", views.refund, {"pdf": True}, name="refund_pdf"),
    path("topups/<objectid:pk>/", views.recharge, name="recharge"),
    path("topups/<objectid:pk>/pdf/", views.recharge, {"pdf": True}, name="recharge_pdf"),
]
