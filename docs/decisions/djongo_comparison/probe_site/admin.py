"""The plain admin of the plan, with Django's own filter for a boolean."""

from django.contrib import admin

from probe_site.models import Plan


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    list_display = ("slug", "price", "stock", "active")
    list_filter = ("active",)
