# The shop as it runs in production; the same image is the web server and the worker.
FROM python:3.12-slim AS packages
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r /tmp/base.txt

FROM python:3.12-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=ottsonly.settings \
    STATIC_ROOT=/srv/static
# Nothing of the shop is written to its own folder while it runs.
RUN useradd --system --uid 10001 --home-dir /srv/shop --shell /usr/sbin/nologin shop
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/shop
COPY manage.py ./
COPY ottsonly ottsonly
COPY accounts accounts
COPY help_pages help_pages
COPY catalog catalog
COPY wallet wallet
COPY subscriptions subscriptions
COPY orders orders
COPY invoices invoices
COPY notifications notifications
COPY telegram_alerts telegram_alerts
COPY console console
COPY templates templates
COPY static static
# Collecting files reads the settings and asks no service: these values end with the command.
RUN SECRET_KEY=unused HASH_KEY=unused CREDENTIAL_KEYS=unused MONGODB_URI=mongodb://unused \
        python manage.py collectstatic --no-input --verbosity 0
USER shop
EXPOSE 8000
# The one worker process keeps the hot shelf, the circuit and the turn of buyers of one plan in its
# memory: more containers, rather than more processes in one, when the machine has more cores.
CMD ["gunicorn", "ottsonly.wsgi", "--bind", "0.0.0.0:8000", "--workers", "1", \
     "--worker-class", "gthread", "--threads", "8", "--worker-tmp-dir", "/dev/shm", \
     "--no-control-socket"]
