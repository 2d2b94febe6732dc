"""Addresses of the customer's notices."""

from django.urls import path

from notifications import views

app_name = "notifications"
urlpatterns = [
    path("", views.notification_list, name="list"),
    path("read/", views.read_all, name="read_all"),
    path("<objectid:pk>/open/", views.open_notification, name="open"),
    path("<objectid:pk>/delete/", views.delete, name="delete"),
]
