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

// In a long form of values, Enter leads to the next value; the last one's, and the button's, sends.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || !event.target.matches("form[data-quick] .value input[type=text]")) return;
  const values = Array.from(event.target.form.querySelectorAll(".value input[type=text], .value select[name^='v.']"));
  const next = values[values.indexOf(event.target) + 1];
  if (next) { event.preventDefault(); next.focus(); if (next.select) next.select(); }
});

// On a wide screen the menu stands open; a browser without `::details-content` needs it said.
const menu = document.querySelector(".menu details");
if (menu && window.matchMedia("(min-width: 52.01rem)").matches) menu.open = true;

const first = document.querySelector(".summary, [data-focus]");
if (first) first.focus();
