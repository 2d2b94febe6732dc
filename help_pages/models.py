"""The help pages that an operator may rewrite."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from help_pages.shipped import SHIPPED


class HelpPage(models.Model):
    """One page. While title or body is empty, the text that the shop ships is shown instead."""

    slug = models.SlugField(unique=True, editable=False)
    title = models.CharField(_("title"), max_length=80, blank=True)
    body = models.TextField(_("text"), blank=True)
    position = models.PositiveIntegerField(_("position"), default=0)
    # Counts the edits: two operators who write at once do not undo each other unseen.
    version = models.PositiveIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(_("last change"), null=True, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )

    class Meta:
        db_table = "help_pages"
        ordering = ["position"]

    def __str__(self) -> str:
        return self.shown_title

    def get_absolute_url(self) -> str:
        return reverse("help_pages:page", args=[self.slug])

    @property
    def shown_title(self) -> str:
        return self.title or SHIPPED[self.slug].title

    @property
    def shown_body(self) -> str:
        return self.body or SHIPPED[self.slug].body

    @property
    def is_as_shipped(self) -> bool:
        return not self.title and not self.body
