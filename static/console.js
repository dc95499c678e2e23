// What the pages do better with a script than without; all of it works without.
"use strict";

// Enter in a text field checks. Without this it would post the form for a review, which is the same, but loads a page.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target.id !== "conf" || !window.htmx || !button || button.name !== "review" || !button.hasAttribute("aria-hidden")) return;
  event.preventDefault();
  event.stopPropagation();
  htmx.trigger(event.target, "change");
}, true);

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.hasAttribute("data-open-all")) {
    event.preventDefault();
    for (const group of document.querySelectorAll("details.group")) group.open = true;
  } else if (button.dataset.scroll && window.htmx) {
    event.preventDefault();
    document.getElementById(button.dataset.scroll).scrollIntoView();
  }
});

// A link to a parameter opens the group that it stands in.
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const group = target && target.closest("details.group");
  if (!group || group.open) return;
  group.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

// The answers are swapped, the controls are not: what a screen reader is told about a control follows its answer.
document.addEventListener("htmx:afterSettle", () => {
  for (const answer of document.querySelectorAll("[id^='a-POT_']")) {
    const control = document.getElementsByName(answer.id.slice(2))[0];
    const field = answer.parentElement.querySelector("input[type=text]") || document.getElementById(answer.id.slice(2)) || control;
    if (!field || field.type === "hidden" || field.type === "radio") continue;
    if (answer.querySelector(".finding.is-error")) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
