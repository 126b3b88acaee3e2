"""The documentation page in a real browser: a developer signs in there, and places an order."""

import json

from playwright.sync_api import expect

from tests.browser.pages import PASSWORD


def test_a_developer_authorises_and_places_an_order(desk):
    window = desk()
    page = window.page
    page.goto("/api/docs/")
    page.get_by_role("button", name="Authorize", exact=True).click()
    flow = page.locator(".auth-container", has_text="authorizationCode")
    expect(flow.locator("button.authorize")).to_be_visible()
    for scope in flow.locator(".scopes label").all():
        scope.click()
    with page.expect_popup() as popup:
        flow.locator("button.authorize").click()
    sign_in = popup.value
    sign_in.get_by_label("User name").fill("desk-amina")
    sign_in.get_by_label("Password").fill(PASSWORD)
    sign_in.get_by_label("Password").press("Enter")
    sign_in.get_by_role("button", name="Allow").click()
    expect(flow.get_by_text("Logout")).to_be_visible()
    page.locator(".modal-ux").get_by_role("button", name="Close").last.click()

    def send(operation: str, body: dict) -> tuple[str, dict]:
        block = page.locator(f"[id$='-{operation}']")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.locator("textarea.body-param__text").fill(json.dumps(body))
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .response")
        status = answer.locator(".response-col_status").inner_text().split()[0]
        return status, json.loads(answer.locator(".highlight-code code").first.inner_text())

    customer = {"code": "DOCS1", "name": "Wangari Maina", "phone_number": "+254711999111"}
    assert send("customers_create", customer)[0] == "201"
    status, order = send("orders_create", {"customer_code": "DOCS1", "item": "Kettle", "amount": 1500})
    assert (status, order["customer_name"], order["amount"]) == ("201", "Wangari Maina", "1500.00")
    assert window.faults == []
