"""Addresses of the shop window."""

from django.urls import path

from catalog import views

app_name = "catalog"
urlpatterns = [
    path("", views.home, name="home"),
    path("plans/", views.plan_list, name="plans"),
    path("plans/<slug:platform_slug>/<slug:plan_slug>/", views.plan_detail, name="plan"),
    path("plans/<slug:platform_slug>/<slug:plan_slug>/watch/", views.watch, name="watch"),
]
