// Adds the roles and labels for screen readers that django-unfold and Django's widgets lack (WCAG 2.2, 1.3.1 and 4.1.2).
document.addEventListener("DOMContentLoaded", () => document.getElementById("main")?.setAttribute("role", "main"));

addEventListener("load", () => {
  // After the widgets, which are built on this event.
  setTimeout(() => {
    for (const select of document.querySelectorAll("select.admin-autocomplete")) {
      const name = select.labels[0]?.textContent.trim();
      for (const part of select.nextElementSibling.querySelectorAll("[role=combobox], [role=textbox]")) {
        part.setAttribute("aria-label", name);
      }
    }
    for (const box of document.querySelectorAll(".simplebar-content-wrapper")) {
      box.setAttribute("aria-label", box.closest("#nav-sidebar") ? "menu" : "table");
    }
    for (const help of document.querySelectorAll("span.help-tooltip[aria-label]")) help.setAttribute("role", "img");
  });
});
