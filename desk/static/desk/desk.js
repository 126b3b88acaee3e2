// What htmx has no attribute for: keys that reach the search and its matches, a form that is sent once, printing.
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

document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("[data-once]")) button.disabled = true;
});
// A page that the browser brings back by its Back button is as it was left.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-once]")) button.disabled = false;
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
