"""The desk in a real browser: with a keyboard, on a phone, without JavaScript, and with the gateway down."""

import gzip
import itertools
from functools import partial

import pytest
from playwright.sync_api import expect

from conftest import Service
from tests.browser.pages import DESKTOP, MAKE_PEOPLE, PHONE, WIDE, Desk
from tests.seed import planted

codes = (f"BR{number:03}" for number in itertools.count())
phones = (f"07{number}" for number in itertools.count(11000000))
SMS = ".orders .placed .badge"
# What of a page is wider than its place.
STICKING_OUT = """[...document.querySelectorAll("h1, dd, .person p, .what, .what *, #found a, #found a *")]
    .filter((one) => one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.outerHTML.slice(0, 80))"""
SMALL_PHONE = {"width": 375, "height": 812}
# The stand-in refuses what is sent there.
REJECTED = "0711000403"
MADE, KEPT = ("customers/customer", "orders/order"), ("accounts/application", "accounts/auditentry")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_from_sign_in_to_sign_out(desk, viewport):
    window = desk(viewport=viewport).sign_in()
    page = window.page
    window.add_customer("Wambui Karanja", next(phones), next(codes))
    expect(page.get_by_role("heading", name="Wambui Karanja")).to_be_visible()
    window.place("Maize flour 2 kg x 12", "2,280")
    expect(page.get_by_text("The order is placed.")).to_be_visible()
    expect(page.locator(SMS)).to_contain_text("Delivered")
    page.locator(".orders .placed a").click()
    expect(page.get_by_text("Hello Wambui Karanja! Your order for Maize flour 2 kg x 12")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".history li", has_text="Asked the gateway")).to_have_count(2)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.emulate_media(media="screen")
    expect(page.locator("#sms h2")).to_contain_text("Delivered")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto("/overview/")
    expect(page.get_by_label("Password")).to_be_visible()
    assert window.faults == []


def test_the_keyboard_alone_finds_a_customer_and_places_an_order(desk):
    window = desk().sign_in()
    page = window.page
    phone = next(phones)
    window.add_customer("Kioko Mutua", phone, next(codes))
    page.goto("/")
    expect(page.get_by_label("Find a customer")).to_be_focused()
    typed = f"{phone[:4]} {phone[4:7]} {phone[7:]}"
    page.keyboard.type(typed)
    # What was found for the whole of it, and not for its beginning: that would be replaced.
    expect(page.get_by_text(f"Add “{typed}”")).to_be_visible()
    expect(page.locator("#found a")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    window.press("Enter")
    window.place("Rice", "99.50")
    expect(page.locator(".orders .placed")).to_contain_text("99.50")
    expect(page.get_by_label("Item")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.get_by_label("Find a customer")).to_be_focused()


def test_back_from_a_customer_are_the_matches_that_it_was_among(desk):
    window = desk().sign_in()
    page = window.page
    for n in range(2):
        window.add_customer(f"Syokau Kilonzo {n}", next(phones), next(codes))
    for typed, matches in (("syokau", 2), ("syokau kilonzo 1", 1)):
        page.goto("/")
        page.get_by_label("Find a customer").fill(typed)
        expect(page.locator("#found a")).to_have_count(matches + len(["Add"]))
        page.keyboard.press("ArrowDown")
        window.press("Enter")
        page.go_back()
        expect(page.get_by_label("Find a customer")).to_have_value(typed)
        expect(page.locator("#found a")).to_have_count(matches + len(["Add"]))


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_long_word_stays_in_its_place(desk, viewport):
    window = desk(viewport=viewport).sign_in()
    page = window.page
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Y" * 100)
    page.get_by_label("Phone").fill(next(phones))
    page.get_by_label("Code", exact=True).fill(next(codes))
    window.press("Enter")
    window.place("Z" * 200, "99,999,999.99")
    customer = page.url
    page.locator(".orders .placed a").click()
    order = page.url
    for address in ("/", customer, order, "/?q=yyy&list"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert page.evaluate(STICKING_OUT) == [], address


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_a_clerk_is_led_to_who_was_not_told_and_sends_again(desk, viewport, scheme):
    window = desk(viewport=viewport, color_scheme=scheme).sign_in()
    page = window.page
    window.add_customer("Nekesa Barasa", REJECTED, next(codes))
    item = f"Maize {viewport['width']}"
    window.place(item, "99,999,999.99")
    expect(page.locator(SMS)).to_contain_text("Refused")
    without_scripts = desk(java_script_enabled=False, viewport=viewport, color_scheme=scheme).sign_in().page
    for clerk in (page, without_scripts):
        clerk.goto("/")
        clerk.get_by_role("link", name="the customer was not told by SMS").click()
        row = clerk.locator(".orders li", has_text=item)
        expect(row.get_by_role("link", name="Call +254711000403")).to_have_attribute("href", "tel:+254711000403")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(STICKING_OUT) == []
    assert window.violations() == ""
    row.get_by_role("button", name=f"Send again for {item}, Nekesa Barasa").click()
    expect(without_scripts.get_by_role("heading", name=item)).to_be_visible()
    page.goto(without_scripts.url)
    expect(page.locator(".history li", has_text="Asked the gateway")).to_have_count(2)


def test_in_the_admin_no_long_word_is_wider_than_a_phone(desk):
    window = desk(viewport=SMALL_PHONE).sign_in("desk-boss")
    page = window.page
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Y" * 100)
    page.get_by_label("Phone").fill(next(phones))
    page.get_by_label("Code", exact=True).fill(next(codes))
    window.press("Enter")
    window.place("Z" * 200, "99,999,999.99")
    for model in (*MADE, "sms/message"):
        page.goto(f"/admin/{model}/", wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), model
        page.goto(page.locator("#result_list tbody a").first.get_attribute("href"), wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_with_the_gateway_down_the_order_is_placed_and_its_sms_goes_once_it_is_back(desk, gateway):
    window = desk().sign_in()
    gateway(http_status=503)
    window.add_customer("Moraa Nyaboke", next(phones), next(codes))
    window.place("Sugar", "7200")
    page = window.page
    expect(page.get_by_text("The order is placed.")).to_be_visible()
    expect(page.locator(SMS)).to_contain_text("Queued")
    gateway()
    expect(page.locator(SMS)).to_contain_text("Delivered", timeout=120_000)


@pytest.mark.long
def test_a_form_outlives_a_server_that_is_away(browser, seed, tmp_path):
    service = Service(planted(seed, tmp_path)).start().until_ready()
    try:
        service.manage("shell", "-c", MAKE_PEOPLE)
        window = Desk(browser, service).sign_in()
        page = window.page
        window.add_customer("Nafula Wekesa", next(phones), next(codes))
        service.end()
        window.type_order("Cooking oil 20 l", "4,600")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The desk does not answer. What you typed is kept")).to_be_visible()
        expect(page.get_by_label("Item")).to_have_value("Cooking oil 20 l")
        expect(page.get_by_label("Amount")).to_have_value("4,600")
        assert window.violations() == ""
        service.start().until_ready()
        expect(page.get_by_text("The order is placed.")).to_be_visible()
        expect(page.locator(".orders li")).to_have_count(1)
        expect(page.get_by_text("The desk does not answer.")).to_be_hidden()
        window.context.close()
    finally:
        service.end()


def test_a_second_clerk_is_shown_what_the_first_has_changed(desk):
    first = desk().sign_in()
    first.add_customer("Akinyi Ouma", next(phones), next(codes))
    first.place("Tea", "480")
    first.page.locator(".orders .placed a").click()
    first.page.get_by_role("link", name="Edit").click()
    first.page.wait_for_url("**/edit")
    second = desk().sign_in("desk-boss", first.page.url.removeprefix(first.home))
    first.page.get_by_label("Amount").fill("500")
    first.page.get_by_role("button", name="Save").click()
    expect(first.page.get_by_text("500.00")).to_be_visible()
    page = second.page
    page.get_by_label("Item").fill("Tea leaves")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Somebody else has changed this since you opened it.")).to_be_visible()
    expect(page.get_by_text("Changed meanwhile from “480.00” to “500.00”.")).to_be_visible()
    expect(page.get_by_label("Item")).to_have_value("Tea leaves")
    expect(page.get_by_label("Amount")).to_have_value("500.00")
    assert second.violations() == ""
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Tea leaves")).to_be_visible()
    expect(page.get_by_text("500.00")).to_be_visible()


def test_what_is_wrong_is_said_where_it_was_typed(desk):
    window = desk().sign_in()
    window.add_customer("Zawadi Mumo", next(phones), next(codes))
    page = window.page
    page.get_by_label("Item").fill("Beans")
    page.get_by_label("Amount").fill("ten")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_text("Must be a number.")).to_be_visible()
    expect(page.get_by_label("Item")).to_have_value("Beans")
    page.get_by_label("Amount").fill("10")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator(".orders .placed")).to_contain_text("Beans")


def test_without_javascript_an_order_form_that_is_sent_again_places_one_order(desk):
    window = desk(java_script_enabled=False).sign_in()
    page = window.page
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Mutiso Kilonzo")
    page.get_by_label("Phone").fill(next(phones))
    page.get_by_label("Code", exact=True).fill(next(codes))
    page.get_by_role("button", name="Add customer").click()
    page.get_by_label("Item").fill("Millet")
    page.get_by_label("Amount").fill("75")
    page.get_by_role("button", name="Place order").dblclick()
    expect(page.get_by_text("The order is placed.")).to_be_visible()
    expect(page.locator(".orders li")).to_have_count(1)


def test_a_deletion_has_a_way_back(desk):
    window = desk().sign_in()
    window.add_customer("Auma Were", next(phones), next(codes))
    window.place("Soap", "350")
    page = window.page
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Auma Were was deleted, with 1 order.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Auma Were")).to_be_visible()
    expect(page.locator(".orders")).to_contain_text("Soap")


def test_it_works_without_javascript(desk):
    window = desk(java_script_enabled=False).sign_in()
    page = window.page
    code = next(codes)
    page.goto("/customers/new")
    page.get_by_label("Name").fill("Barasa Simiyu")
    page.get_by_label("Phone").fill(next(phones))
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Add customer").click()
    page.get_by_label("Find a customer").fill(code)
    window.press("Enter")
    page.get_by_label("Item").fill("Beans")
    page.get_by_label("Amount").fill("120")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator(".orders .placed")).to_contain_text("Beans")


def test_a_viewer_sees_and_changes_nothing(desk):
    page = desk().sign_in("desk-victor").page
    expect(page.get_by_role("heading", name="Latest orders")).to_be_visible()
    expect(page.get_by_text("Add a customer")).to_have_count(0)
    expect(page.get_by_text("Overview")).to_have_count(0)


def test_a_first_visit_weighs_less_than_100_kb(desk):
    window = desk().sign_in()
    weights, answers = {}, {}
    page = window.page
    page.on("response", lambda answer: answers.update({answer.url: answer}))
    for visit in (partial(page.goto, "/"), page.reload):
        visit(wait_until="networkidle")
        # While they are there: the next page's take their place.
        weights |= {address: len(gzip.compress(answer.body())) for address, answer in answers.items()}
        answers.clear()
    assert any(address.endswith(".css") for address in weights)
    assert sum(weights.values()) < 100_000


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(desk, scheme):
    window = desk(color_scheme=scheme)
    page = window.page
    page.goto("/")
    assert window.violations() == ""
    window.sign_in()
    window.add_customer("Chebet Rotich", next(phones), next(codes))
    assert window.violations() == ""
    window.place("Tea", "480")
    assert window.violations() == ""
    page.locator(".orders .placed a").click()
    expect(page.locator(".history")).to_be_visible()
    order = page.url
    for address in (
        "/",
        "/?q=che",
        "/overview/",
        "/customers/new",
        order,
        f"{order}edit",
        f"{order}delete",
        "/orders/untold/",
        "/nothing",
    ):
        page.goto(address)
        assert window.violations() == "", address
    page.goto(window.stand_in)
    page.wait_for_load_state("load")
    assert window.violations() == ""


@pytest.mark.long
@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", PHONE)], ids=["light", "dark, phone"])
def test_axe_finds_nothing_in_the_admin(desk, scheme, viewport):
    window = desk(color_scheme=scheme, viewport=viewport).sign_in("desk-boss")
    window.add_customer("Halima Yusuf", next(phones), next(codes))
    window.place("Lentils", "260")
    page = window.page
    lists = [f"/admin/{model}/" for model in (*MADE, "sms/message", "sms/optout", *KEPT, "auth/user", "auth/group")]
    forms = [f"/admin/{model}/add/" for model in (*MADE, "auth/user", "auth/group")]
    rows = []
    for model in (*MADE, "sms/message", *KEPT, "auth/user", "auth/group"):
        page.goto(f"/admin/{model}/")
        rows.append(page.locator("#result_list tbody a").first.get_attribute("href"))
    deletions = [row.replace("/change/", "/delete/") for row in rows[:2]]
    searched = [f"{address}?q=halima" for address in lists[:3]]
    for address in ("/admin/", "/admin/password_change/", *lists, *forms, *rows, *deletions, *searched):
        page.goto(address, wait_until="networkidle")
        assert window.violations() == "", address
    page.goto("/admin/accounts/application/add/")
    assert window.violations() == "", "what nobody may"


def test_the_consent_page_says_who_asks_for_what(desk, staffed):
    made = staffed.manage("setup_oauth", "--name", "Corner shop", "--redirect-uri", "http://localhost:9/back", "--json")
    client_id = made.partition('"client_id": "')[2].partition('"')[0]
    window = desk()
    ask = f"/o/authorize/?response_type=code&client_id={client_id}&scope=openid+orders%3Awrite&redirect_uri=http://localhost:9/back"
    window.page.goto(ask)
    window.page.get_by_label("User name").fill("desk-amina")
    window.page.get_by_label("Password").fill("correct horse battery")
    window.press("Enter")
    expect(window.page.get_by_role("heading", name="Allow Corner shop?")).to_be_visible()
    expect(window.page.get_by_text("Place, correct and delete orders")).to_be_visible()
    assert window.violations() == ""
    window.page.goto("/o/authorize/?client_id=nobody")
    expect(window.page.get_by_role("heading", name="This cannot go on")).to_be_visible()
    assert window.violations() == ""
