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

// A button must not vanish under the finger that presses it: what is the same is not swapped, and nothing is swapped
// around a button while it is held down. Leaving a field checks the form, often just then.
let pressed = null;
let held = false;
document.addEventListener("pointerdown", (event) => { pressed = event.target.closest("button"); held = false; });
for (const end of ["click", "pointercancel"]) document.addEventListener(end, () => { pressed = null; });
document.addEventListener("pointerup", (event) => {
  // Released elsewhere: what was kept back is asked for again.
  if (held && event.target.closest("button") !== pressed) htmx.trigger("#conf", "change");
});
const content = (node) => {
  const box = document.createElement("div");
  for (const child of node.childNodes) box.append(child.cloneNode(true));
  return box.innerHTML;
};
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (pressed && target.contains(pressed)) {
    held = true;
    event.detail.shouldSwap = false;
  } else if (content(target) === content(fragment)) {
    event.detail.shouldSwap = false;
  }
});
