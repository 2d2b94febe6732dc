"""One document for each page, so that an operator finds it in the console; the words stay ours."""

from django.db import migrations

SLUGS = ("faq", "refunds", "terms", "privacy", "contact")


def add_pages(apps, schema_editor):
    """Add what is missing; a page that is there, edited or not, is left alone."""
    help_page = apps.get_model("help_pages", "HelpPage")
    there = set(help_page.objects.values_list("slug", flat=True))
    for position, slug in enumerate(SLUGS):
        if slug not in there:
            help_page.objects.create(slug=slug, position=position)


class Migration(migrations.Migration):
    dependencies = [("help_pages", "0001_initial")]
    operations = [migrations.RunPython(add_pages, migrations.RunPython.noop)]
