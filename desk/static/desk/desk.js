// What htmx has no attributes for: keys for the search and its matches, forms that are sent once and survive an outage of
// the server, printing.
const search = document.getElementById("q");

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    search.focus();
    search.select();
  }
  const matches = [search, ...document.querySelectorAll("#found a")];
  const here = matches.indexOf(event.target);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && here >= 0 && matches[here + step]) {
    event.preventDefault();
    matches[here + step].focus();
  }
});

// So that the browser's Back button leads from a customer back to the matches.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "found" || location.pathname !== "/") return;
  history.replaceState(null, "", search.value.trim() ? `/?${new URLSearchParams({ q: search.value, list: "" })}` : "/");
});

document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("[data-once]")) button.disabled = true;
});
// The browser's Back button restores a page as it was left: with its buttons disabled.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-once]")) button.disabled = false;
});

// While the desk does not answer, a form keeps what was typed, and is sent again until it is answered. Its key or version
// makes it count once.
const AGAIN_AFTER_MS = 2000;
const away = document.getElementById("away");
const isForm = (detail) => detail.requestConfig.verb === "post";
const onAway = ({ detail }) => {
  if (detail.xhr.status > 0 && detail.xhr.status < 500) return;
  if (isForm(detail)) {
    away.textContent = "The desk does not answer. What you typed is kept, and is sent as soon as it is back.";
    setTimeout(() => detail.elt.isConnected && detail.elt.requestSubmit(), AGAIN_AFTER_MS);
  } else if (away.hidden) {
    away.textContent = "The desk does not answer just now.";
  }
  away.hidden = false;
};
for (const event of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.addEventListener(event, onAway);

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { status } = detail.xhr;
  if (status < 500) away.hidden = true;
  if (!isForm(detail) || status < 400 || status >= 500) return;
  // A form with faults is swapped in like any other answer. For any other error the browser has to show the whole page.
  detail.isError = false;
  if (status === 400 || status === 409) detail.shouldSwap = true;
  else detail.elt.submit();
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
