"""Addresses of the help pages."""

from django.urls import path

from help_pages import views

app_name = "help_pages"
urlpatterns = [
    path("", views.index, name="index"),
    path("<slug:slug>/", views.page, name="page"),
]
