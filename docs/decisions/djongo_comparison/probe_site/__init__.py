"""A tiny Django site that runs unchanged on djongo (Django 3.1) and django-mongodb-backend."""
