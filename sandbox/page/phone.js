// The customer's phone: shows the events of /events, and sets the gateway's faults through /control/.
// What came in a message is untrusted: it enters the page only through textContent.

const SHOWN = 200;
const ALL = "";

const WAYS = [
  { id: "works", title: "Works", detail: "answers at once", faults: {} },
  { id: "slow", title: "Slow", detail: "answers 3 s later", faults: { slow_accept_ms: 3000 } },
  { id: "silent", title: "Silent", detail: "never answers", faults: { hang: true } },
  { id: "down", title: "Down", detail: "connections are reset", faults: { down: true } },
  { id: "drops", title: "Drops the line", detail: "accepts, then resets", faults: { accept_then_reset: true } },
  { id: "error", title: "Error 500", detail: "accepts nothing", faults: { http_status: 500 } },
  { id: "busy", title: "Too busy", detail: "429, come back in 1 s", faults: { http_status: 429 } },
  { id: "garbage", title: "Garbled", detail: "an unreadable 201", faults: { garbage: true } },
  { id: "broke", title: "Out of balance", detail: "405 every time", faults: { balance: 0 } },
  { id: "key", title: "Key revoked", detail: "401 every time", faults: { http_status: 401 } },
  { id: "sender", title: "Unknown sender", detail: "no recipients taken", faults: { empty_recipients: true } },
];
const CUSTOM = { id: "custom", title: "Set by the control API", detail: "" };
const SCOPES = { all: {}, half: { share: 0.5 }, once: { count: 1 } };
const REPORT_MODES = {
  normal: "Sent, then Success",
  doubled: "each one twice",
  out_of_order: "out of order",
  early: "before the answer",
  failed: "the delivery fails",
  rejected: "the network rejects",
  never: "never",
};
const TEST = { to: "+254711222333", text: "Hello John Doe! Your order for Laptop Computer worth KES 1299.99 has been received. Thank you!" };
const REPORT_FIELDS = ["url", "delay_ms", "mode", "retry_ms"];

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

let latest = [];
let chosen = new URLSearchParams(location.search).get("to")?.trim().replace(/^\+?/, "+") ?? ALL;
let ofChosen = [];
let state = null;
let plain = null;
let firstBatch = true;
const unread = new Map();

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function readable(number) {
  const kenyan = /^\+254(\d{3})(\d{3})(\d{3})$/.exec(number);
  return kenyan ? `+254 ${kenyan[1]} ${kenyan[2]} ${kenyan[3]}` : number;
}

function tone(number) {
  let sum = 0;
  for (const digit of number) sum = (sum * 31 + digit.charCodeAt(0)) % 997;
  return `tone-${sum % 6}`;
}

function dress(face, number) {
  face.className = number === ALL ? "face" : `face ${tone(number)}`;
  face.textContent = number === ALL ? "All" : number.slice(-2);
}

function dayName(date) {
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return "Today";
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  return day.format(date);
}

// --- messages

function merge(known, coming) {
  const seen = new Set(known.map((entry) => entry.sequence));
  const fresh = coming.filter((entry) => !seen.has(entry.sequence));
  return [...known, ...fresh].sort((a, b) => a.sequence - b.sequence).slice(-SHOWN);
}

function shown() {
  return chosen === ALL ? latest : ofChosen;
}

function smsItem(entry) {
  const item = element("li", "sms");
  item.dataset.sequence = entry.sequence;
  const who = chosen === ALL ? `${entry.from} to ${readable(entry.to)}` : entry.from;
  const text = element("p", "text", entry.text);
  text.dir = "auto";
  const parts = entry.parts === 1 ? "1 segment" : `${entry.parts} segments`;
  const cost = entry.cost.replace(/00$/, "");
  const when = element("time", "", clock.format(entry.accepted_at * 1000));
  when.dateTime = entry.accepted_at_iso;
  const meta = element("p", "meta");
  meta.append(when, ` · ${parts} · ${cost}`);
  item.append(element("p", "who", who), text, meta);
  return item;
}

function drawThread({ anew = false } = {}) {
  const list = $("thread");
  const pane = $("messages");
  const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
  if (anew) list.replaceChildren();
  const entries = shown();
  const oldest = entries[0]?.sequence ?? Infinity;
  for (const item of list.querySelectorAll(".sms")) if (Number(item.dataset.sequence) < oldest) item.remove();
  for (const label of list.querySelectorAll(".day")) if (!label.nextElementSibling?.matches(".sms")) label.remove();
  const lastSequence = Number(list.lastElementChild?.dataset.sequence ?? 0);
  let lastDay = [...list.querySelectorAll(".day")].at(-1)?.textContent;
  for (const entry of entries) {
    if (entry.sequence <= lastSequence) continue;
    const name = dayName(new Date(entry.accepted_at * 1000));
    if (name !== lastDay) list.append(element("li", "day", name));
    lastDay = name;
    const item = smsItem(entry);
    if (!anew && !firstBatch) item.classList.add("fresh");
    list.append(item);
  }
  $("empty").hidden = latest.length > 0 || entries.length > 0;
  if (anew || atEnd) pane.scrollTop = pane.scrollHeight;
  showLatestButton();
}

function showLatestButton() {
  const pane = $("messages");
  $("latest").hidden = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
}

function drawPhones() {
  const newestOf = new Map();
  for (const entry of latest) {
    newestOf.delete(entry.to);
    newestOf.set(entry.to, entry);
  }
  if (chosen !== ALL && !newestOf.has(chosen)) newestOf.set(chosen, ofChosen.at(-1));
  const focused = document.activeElement?.closest("#phones button")?.dataset.number;
  const items = [phoneItem(ALL, latest.at(-1))];
  for (const [number, entry] of [...newestOf].reverse()) items.push(phoneItem(number, entry));
  $("phones").replaceChildren(...items);
  if (focused !== undefined) {
    [...$("phones").querySelectorAll("button")].find((button) => button.dataset.number === focused)?.focus();
  }
}

function phoneItem(number, newest) {
  const button = element("button");
  button.type = "button";
  button.dataset.number = number;
  if (number === chosen) button.setAttribute("aria-current", "true");
  const face = element("span");
  dress(face, number);
  face.ariaHidden = "true";
  const what = element("span", "what");
  const last = newest ? newest.text : "no message yet";
  what.append(element("span", "name", number === ALL ? "All phones" : readable(number)), element("span", "last", last));
  button.append(face, what);
  const count = unread.get(number);
  if (count) {
    const badge = element("span", "new", count > 99 ? "99+" : count);
    badge.append(element("span", "unseen", " new"));
    button.append(badge);
  }
  button.addEventListener("click", () => choose(number));
  const item = element("li");
  item.append(button);
  return item;
}

async function choose(number) {
  chosen = number;
  unread.delete(number);
  history.replaceState(null, "", number === ALL ? "/" : `/?to=${encodeURIComponent(number)}`);
  ofChosen = latest.filter((entry) => entry.to === number);
  drawScreenTop();
  drawPhones();
  bringChosenIntoView();
  drawThread({ anew: true });
  if (number === ALL) return;
  const older = await ask("GET", `/control/ledger?limit=${SHOWN}&to=${encodeURIComponent(number)}`);
  if (older && chosen === number) {
    ofChosen = merge(ofChosen, older.entries);
    drawThread({ anew: true });
    drawPhones();
    drawScreenTop();
  }
}

function bringChosenIntoView() {
  // Not scrollIntoView: that would move the whole page as well.
  const list = $("phones");
  const item = list.querySelector('[aria-current="true"]').parentElement;
  list.scrollLeft = item.offsetLeft - list.offsetLeft - 24;
  const over = item.offsetTop - list.offsetTop;
  if (over < list.scrollTop || over + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = over;
}

function drawScreenTop() {
  dress($("screen-face"), chosen);
  $("screen-title").textContent = chosen === ALL ? "All phones" : readable(chosen);
  const entries = shown();
  const senders = [...new Set(entries.map((entry) => entry.from))].slice(-2).join(", ");
  const phones = new Set(latest.map((entry) => entry.to)).size;
  if (chosen === ALL) $("screen-note").textContent = customers(phones);
  else $("screen-note").textContent = senders ? `Messages from ${senders}` : "No message yet";
  drawReply();
}

function customers(count) {
  if (count === 0) return "Waiting for the first message";
  return count === 1 ? "1 customer" : `${count} customers`;
}

function drawReply() {
  const out = state?.opt_outs.numbers.includes(chosen) ?? false;
  $("reply").hidden = chosen === ALL;
  $("reply-note").textContent = out ? "Opted out: messages get 406 UserInBlacklist." : "Enough of these messages?";
  $("stop").textContent = out ? "Opt in again" : "Reply STOP";
}

function announce(fresh) {
  const one = fresh.length === 1 ? fresh[0] : null;
  $("news").textContent = one ? `New message to ${readable(one.to)}: ${one.text}` : `${fresh.length} new messages`;
}

function take(entries) {
  latest = merge(latest, entries);
  if (chosen !== ALL) ofChosen = merge(ofChosen, entries.filter((entry) => entry.to === chosen));
  if (!firstBatch && entries.length) {
    announce(entries);
    for (const { to } of entries) if (chosen !== ALL && to !== chosen) unread.set(to, (unread.get(to) ?? 0) + 1);
  }
  drawThread({ anew: firstBatch });
  drawPhones();
  drawScreenTop();
  firstBatch = false;
}

// --- the gateway

function sameFaults(faults, wanted) {
  return Object.keys(faults).every((name) => {
    if (name === "share" || name === "count" || name === "retry_after_s") return true;
    return faults[name] === (name in wanted ? wanted[name] : plain[name]);
  });
}

function wayInForce() {
  return WAYS.find((way) => sameFaults(state.faults, way.faults)) ?? CUSTOM;
}

function scopeInForce() {
  if (state.faults.count !== null) return "once";
  return state.faults.share < 1 ? "half" : "all";
}

function drawWays() {
  for (const way of [...WAYS, CUSTOM]) {
    const label = element("label", way.id === "works" ? "way" : "way bad");
    label.id = `way-${way.id}`;
    const radio = element("input");
    radio.type = "radio";
    radio.name = "way";
    radio.value = way.id;
    const title = element("span", "title", way.title);
    title.append(element("span", "detail", way.detail));
    label.append(radio, title);
    $("ways").append(label);
  }
}

function drawState() {
  const way = wayInForce();
  $("accepted").textContent = state.accepted.toLocaleString();
  $("requests").textContent = state.traffic.requests.toLocaleString();
  $("connections").textContent = state.traffic.connections.toLocaleString();
  const rejected = Object.values(state.traffic.rejected).reduce((sum, count) => sum + count, 0);
  $("rejected").textContent = rejected.toLocaleString();
  const health = $("health");
  if (health.textContent !== way.title) health.textContent = way.title;
  health.dataset.state = way.id === "works" ? "good" : way.id === "slow" || way.id === "custom" ? "odd" : "bad";
  $("way-custom").hidden = way !== CUSTOM;
  $("way-custom").querySelector(".detail").textContent = way === CUSTOM ? changedFaults() : "";
  document.querySelector(`input[name="way"][value="${way.id}"]`).checked = true;
  if (way.id !== "works") $("scope").value = scopeInForce();
  $("reports").value = state.reports.mode;
  $("reports").disabled = state.reports.url === null;
  $("reports-note").textContent =
    state.reports.url === null
      ? "Off: start with --report-url, or PUT /control/reports."
      : `${state.reports.posted} posted, ${state.reports.pending} waiting, ${state.reports.given_up} given up`;
  drawReply();
}

function changedFaults() {
  const changed = Object.entries(state.faults).filter(([name, value]) => value !== plain[name]);
  return changed.map(([name, value]) => `${name} ${value}`).join(", ");
}

function complain(text) {
  $("trouble").textContent = text;
}

async function ask(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  try {
    const answer = await fetch(path, options);
    const data = await answer.json();
    complain(answer.ok ? "" : data.error);
    return answer.ok ? data : null;
  } catch {
    complain("The stand-in cannot be reached.");
    return null;
  }
}

function breakIt() {
  const way = WAYS.find(({ id }) => id === document.querySelector('input[name="way"]:checked')?.value);
  if (way) ask("PUT", "/control/faults", way.id === "works" ? {} : { ...way.faults, ...SCOPES[$("scope").value] });
}

function planReports() {
  const plan = Object.fromEntries(REPORT_FIELDS.map((name) => [name, state.reports[name]]));
  ask("PUT", "/control/reports", { ...plan, mode: $("reports").value });
}

function stopOrStart() {
  const { numbers, url } = state.opt_outs;
  if (numbers.includes(chosen)) {
    ask("PUT", "/control/opt-outs", { numbers: numbers.filter((number) => number !== chosen), url });
  } else {
    ask("POST", "/control/opt-out", { phoneNumber: chosen, senderId: ofChosen.at(-1)?.from });
  }
}

async function sendTest() {
  const form = new URLSearchParams({ username: "sandbox", to: TEST.to, message: TEST.text });
  const headers = { apiKey: "page", Accept: "application/json" };
  try {
    const answer = await fetch("/version1/messaging", { method: "POST", headers, body: form });
    if (answer.status === 401) complain("This stand-in was started with a key of its own: use the curl command with it.");
    else if (!answer.ok) complain(`The gateway answered ${answer.status}.`);
    else complain("");
  } catch {
    complain("The gateway did not answer.");
  }
}

async function copyCommand() {
  const command = [
    `curl ${location.origin}/version1/messaging -H 'apiKey: any' -H 'Accept: application/json'`,
    `-d username=sandbox --data-urlencode to=${TEST.to} --data-urlencode 'message=${TEST.text}'`,
  ].join(" ");
  await navigator.clipboard.writeText(command);
  $("copy").textContent = "Copied";
}

// --- the manual

function fill(id, rows) {
  $(id).replaceChildren(
    ...rows.map(([head, ...rest]) => {
      const row = element("tr");
      const first = element("td");
      first.append(element("code", "", head));
      row.append(first, ...rest.map((text) => element("td", "", text)));
      return row;
    }),
  );
}

function drawManual(known) {
  fill("magic", known.magic_numbers.map(({ ending, effect }) => [ending, effect]));
  fill("endpoints", known.endpoints.map(({ method, path, effect }) => [`${method} ${path}`, effect]));
  fill("fields", known.fault_fields.map(({ name, takes, effect }) => [name, takes, effect]));
}

// --- the stream

function showLink(linked, text) {
  $("link").dataset.state = linked;
  $("link").textContent = text;
}

function listen() {
  const events = new EventSource("/events");
  events.addEventListener("open", () => {
    // The stream starts again with the full state, perhaps of a stand-in that was restarted.
    firstBatch = true;
    latest = [];
    ofChosen = [];
    unread.clear();
    showLink("on", "Live");
  });
  events.addEventListener("messages", ({ data }) => {
    const first = firstBatch;
    take(JSON.parse(data));
    if (first && chosen !== ALL) choose(chosen);
  });
  events.addEventListener("state", ({ data }) => {
    state = JSON.parse(data);
    drawState();
  });
  events.addEventListener("error", () => {
    const closed = events.readyState === EventSource.CLOSED;
    showLink(closed ? "off" : "wait", closed ? "Not connected" : "Connecting again");
    if (closed) setTimeout(listen, 3000);
  });
}

function tick() {
  $("clock").textContent = clock.format(Date.now());
}

async function start() {
  $("try").addEventListener("click", sendTest);
  $("copy").addEventListener("click", copyCommand);
  for (const [mode, text] of Object.entries(REPORT_MODES)) {
    const option = element("option", "", text);
    option.value = mode;
    $("reports").append(option);
  }
  drawWays();
  drawPhones();
  drawScreenTop();
  tick();
  setInterval(tick, 5000);
  $("messages").addEventListener("scroll", showLatestButton, { passive: true });
  $("latest").addEventListener("click", () => $("messages").scrollTo({ top: $("messages").scrollHeight }));
  $("break").addEventListener("submit", (event) => event.preventDefault());
  $("ways").addEventListener("change", breakIt);
  $("scope").addEventListener("change", breakIt);
  $("reports").addEventListener("change", planReports);
  $("stop").addEventListener("click", stopOrStart);
  $("mend").addEventListener("click", () => ask("DELETE", "/control/"));
  const known = await ask("GET", "/control/");
  if (!known) {
    setTimeout(() => location.reload(), 3000);
    return;
  }
  plain = known.no_faults;
  drawManual(known);
  listen();
}

start();
