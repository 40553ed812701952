"""The part of Django's settings that the type checker needs: which models there are.  It runs nothing."""

SECRET_KEY = "of the type checker, which keeps no secrets"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "flarefree.web.people",
    "flarefree.web.record",
    "flarefree.web.vault",
    "flarefree.web.voice",
    "flarefree.web.pages",
]
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
AUTH_USER_MODEL = "people.Account"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
