// What a page can do without, made easier: printing, the first error in view, one click at a time.
// Everything works without this file.
"use strict";

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// A form is sent once; the server would answer a second sending like the first (same request id).
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});

// On a wide screen the menu stands open; a browser without `::details-content` needs it said.
const menu = document.querySelector(".menu details");
if (menu && window.matchMedia("(min-width: 52.01rem)").matches) menu.open = true;

const first = document.querySelector(".summary, [data-focus]");
if (first) first.focus();
