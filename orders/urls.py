"""Addresses of buying and of the customer's orders."""

from django.urls import path

from orders import views

app_name = "orders"
urlpatterns = [
    path("buy/<slug:platform_slug>/<slug:plan_slug>/", views.confirm, name="confirm"),
    path("renew/<objectid:pk>/", views.renew, name="renew"),
    path("orders/", views.order_list, name="list"),
    path("orders/<str:number>/", views.order_detail, name="detail"),
]
