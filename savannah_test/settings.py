"""The settings under the name that the specification exports: DJANGO_SETTINGS_MODULE=savannah_test.settings."""

from savannah.settings import *  # noqa: F403
