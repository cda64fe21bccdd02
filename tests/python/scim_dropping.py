"""A SCIM server that says yes to attributes it does not have: django-scim2-server, with a database of its own.

Usage: scim_dropping.py ADDRESS PORT TOKEN DATABASE
"""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import email_validator
from django.conf import settings

# The people of the tests have addresses that end in .test.
email_validator.TEST_ENVIRONMENT = True

ADDRESS, PORT, TOKEN, DATABASE = sys.argv[1:]
# Django finds what it is configured with by the name of this module.
sys.modules["scim_dropping"] = sys.modules["__main__"]
settings.configure(
    SECRET_KEY="only-for-tests-" * 4,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="scim_dropping",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_scim2_server"],
    MIDDLEWARE=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"}}},
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SCIM2_SERVER_AUTH_CHECK="scim_dropping.may_ask",
)


def may_ask(request):
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("scim/v2/", include("django_scim2_server.urls"))]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


call_command("migrate", verbosity=0)
make_server(ADDRESS, int(PORT), get_wsgi_application(), server_class=Server).serve_forever()
