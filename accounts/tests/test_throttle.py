"""The rate limits of the API, for users and for invalid tokens."""

import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import Client

from savannah import throttle


def lets_pass(answer) -> bool:
    """Whether the request was not throttled; checks the answer if it was."""
    if answer.status_code != 429:
        return True
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error"].startswith("Request was throttled.")
    return False


@pytest.mark.usefixtures("clean_throttles")
def test_it_limits_each_user_and_says_when_to_come_again(api, token, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    assert [lets_pass(api.get("/api/customers/")) for _ in range(5)] == [True, True, True, False, False]
    # Another user is not limited, and refused requests do not count against this one.
    other = User.objects.create_user("other")
    assert throttle.take(f"api user {other.pk}", per_minute=3) == 0
    settings.API_REQUESTS_PER_MINUTE = 30000
    assert lets_pass(api.get("/api/customers/"))


@pytest.mark.usefixtures("clean_throttles")
def test_it_limits_tokens_that_are_no_good_by_the_address_they_come_from(stranger, api, settings):
    settings.API_REQUESTS_PER_MINUTE = 2
    guess = {"Authorization": "Bearer guess"}
    statuses = [stranger.get("/api/customers/", headers=guess).status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert not lets_pass(stranger.get("/api/customers/", headers=guess))
    assert stranger.get("/api/customers/").status_code == 401
    assert lets_pass(api.get("/api/customers/"))


@pytest.mark.usefixtures("clean_throttles")
def test_it_counts_nothing_and_asks_nothing_unless_told_to(token, client: Client, django_assert_num_queries):
    for _ in range(2):
        connection.ensure_connection()  # what goes by the pool, Django does not count
        with django_assert_num_queries(1):
            client.get("/api/customers/none-such/", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.usefixtures("clean_throttles")
def test_a_bucket_that_has_run_empty_is_forgotten():
    began = time.monotonic()
    assert throttle.take("often", per_minute=1) == 0
    seconds = throttle.take("often", per_minute=1)
    assert 60 - (time.monotonic() - began) <= seconds <= 60
    assert throttle.take("seldom", per_minute=60000) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.01)")
    assert throttle.forget_old() == 1
    assert throttle.take("often", per_minute=1) >= 1


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.1"),
        (1, "6.6.6.6, 41.90.1.1", "41.90.1.1"),
        (2, "6.6.6.6, 41.90.1.1, 10.0.0.2", "41.90.1.1"),
        (2, "41.90.1.1", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_it_believes_trusted_proxies_alone(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert throttle.client_address(request) == address


@pytest.mark.parametrize(
    ("forwarded", "counts_as"),
    [
        ("41.90.1.1", "41.90.1.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::7", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:41.90.1.1", "41.90.1.1"),
        ("unknown", "10.0.0.1"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(settings, forwarded, counts_as):
    settings.TRUSTED_PROXIES = 1
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert throttle.client_network(request) == counts_as
