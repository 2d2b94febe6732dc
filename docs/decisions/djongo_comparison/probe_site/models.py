"""The one document that the probes write: a plan on sale."""

from django.db import models


class Plan(models.Model):
    """Money is decimal here only because one probe is about sums of decimals."""

    slug = models.CharField(max_length=40, unique=True)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    stock = models.IntegerField(default=0)
    active = models.BooleanField(default=True)

    class Meta:
        app_label = "probe_site"

    def __str__(self) -> str:
        return self.slug
