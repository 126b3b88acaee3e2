"""The API's way past the middleware of pages, over HTTP."""


def test_an_answer_of_the_api_sets_no_cookie_and_says_its_length(api, customer):
    answer = api.get(f"/api/customers/{customer['id']}/")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_host_that_is_not_ours_is_refused(api):
    assert api.get("/api/customers/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_a_page_has_its_session(stranger):
    answer = stranger.get("/accounts/login/")
    assert "csrftoken" in answer.headers["Set-Cookie"]
