"""Addresses of the console's own pages, beside those of the admin site."""

from django.contrib import admin
from django.urls import path

from console import views

app_name = "console"
urlpatterns = [
    path("find/", admin.site.admin_view(views.find_view), name="find"),
    path("export/", admin.site.admin_view(views.export_view), name="export"),
]
