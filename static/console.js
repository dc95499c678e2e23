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
  for (const field of document.querySelectorAll("#conf :is(input, select, textarea)[aria-describedby]")) {
    const answers = field.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id));
    const wrong = answers.some((answer) => answer && answer.querySelector(".finding.is-error"));
    // The line for further names is one of several controls of its list: empty, it cannot be what is wrong.
    if (wrong && (field.value || field.id !== "extra-other")) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});

// What was found for an earlier value must not pass for an answer to what stands there now: until an answer comes, the
// page says that nothing is known, and asks again by itself.
const RETRY_MS = 3000;
const checked = document.getElementById("conf");
const offline = document.getElementById("offline");
let again = 0;
const unanswered = (why, retry) => {
  if (!checked || !offline) return;
  document.getElementById("offline-why").textContent = why;
  offline.hidden = false;
  document.body.classList.add("is-unchecked");
  clearTimeout(again);
  again = retry ? setTimeout(() => htmx.trigger(checked, "change"), RETRY_MS) : 0;
};
const answered = () => {
  clearTimeout(again);
  offline.hidden = true;
  document.body.classList.remove("is-unchecked");
  for (const row of checked.querySelectorAll(".is-typed")) row.classList.remove("is-typed");
};
document.addEventListener("input", (event) => {
  const row = event.target.closest("#conf :is(.extif-row, .param)");
  if (row) row.classList.add("is-typed");
});
document.addEventListener("htmx:sendError", () => {
  unanswered("The console does not answer. What you typed is still here, but not checked. It is checked as soon as the console answers.", true);
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  const { xhr } = event.detail;
  if (!checked || !offline) return;
  if (xhr.responseText.includes('id="seen"')) answered();
  else if (xhr.status === 401) unanswered("What you typed is still here, but not checked.", false);
  else unanswered("The console could not check this. What you typed is still here.", xhr.status >= 500 || xhr.status === 429);
});

// Tab goes from field to field; what explains one is a key away. Where there is no field, "?" stays a stop.
const fieldOf = (row) => row.querySelector(".param-control :is(input:not([type=hidden]), select, textarea)");
for (const row of document.querySelectorAll("#conf .param")) {
  const about = row.querySelector(":scope > .about > summary");
  if (about && fieldOf(row)) about.tabIndex = -1;
}
const keys = document.getElementById("keys");
if (keys) keys.hidden = false;
document.addEventListener("keydown", (event) => {
  if (!checked) return;
  if (event.key === "F1") {
    const row = event.target.closest(".param");
    const about = row && row.querySelector(":scope > .about");
    if (!about) return;
    event.preventDefault();
    about.open = !about.open;
    const words = about.querySelector(".about-body > p");
    document.getElementById("announce").textContent = about.open && words ? words.textContent : "";
  } else if (event.key.toLowerCase() === "s" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
    // The browser would save the page.
    event.preventDefault();
    const save = document.querySelector("#rail-save button");
    if (save && !event.repeat) save.click();
  }
});

// Leaving the page would lose what is not saved. The form's own buttons lose nothing.
let sent = false;
document.addEventListener("submit", (event) => { if (event.target.id === "conf") sent = true; });
addEventListener("beforeunload", (event) => {
  const unsaved = document.getElementById("count-configuration");
  if (!sent && unsaved && unsaved.textContent) event.preventDefault();
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
  // Whoever is at another field already when a late answer comes stays there; a field is not taken from under the caret.
  const at = document.activeElement;
  if (at && at.matches("input, select, textarea") && target.id.startsWith("c-") && target.contains(at) && !fragment.querySelector("[autofocus]")) {
    event.detail.shouldSwap = false;
  }
  if (at && at.matches("input, select, textarea") && !target.contains(at)) {
    for (const control of fragment.querySelectorAll("[autofocus]")) control.removeAttribute("autofocus");
  }
});

// Names typed beside the list of further interfaces get lines of their own, for their networks.
let typed = false;
document.addEventListener("change", (event) => { if (event.target.id === "extra-other") typed = event.target.value !== ""; }, true);
document.addEventListener("htmx:afterOnLoad", () => { typed = false; });

// Once there is something new about the host, the form is checked again by itself, with what stands in it. Who can change
// nothing gets the page anew.
const looked = document.getElementById("looked");
if (looked) {
  // A check that nobody asked for is no sign of life.
  let follows = false;
  document.addEventListener("htmx:configRequest", (event) => {
    if (follows) event.detail.headers["X-Follows"] = "1";
    follows = false;
    if (typed) event.detail.parameters["extra.typed"] = "1";
  });
  const turn = async () => {
    const have = looked.querySelector("[data-have]");
    let wait = looked.querySelector("[data-reading]") ? 2000 : 10000;
    if (!document.hidden && have && !pressed) {
      try {
        const answer = await fetch(`/configuration/facts?have=${encodeURIComponent(have.dataset.have)}`, {
          headers: { "HX-Request": "true" }, credentials: "same-origin", redirect: "manual", cache: "no-store",
        });
        if (answer.status === 200 && checked) {
          follows = true;
          htmx.trigger(checked, "change");
          follows = false;
        } else if (answer.status === 200) {
          location.reload();
        } else if (answer.status === 401) {
          return;
        }
      } catch {
        wait = 10000;
      }
    }
    setTimeout(turn, wait);
  };
  setTimeout(turn, 2000);
}

// A name from the list takes the place of one that was typed beside it.
document.addEventListener("change", (event) => {
  const beside = event.target.matches(".select-or select") && event.target.parentElement.querySelector("input");
  if (beside) beside.value = "";
}, true);

// What is being read is looked for again; where the page was scrolled to stays.
if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 2000);

// Following the log. The browser connects again by itself and says what it has; the page says how that stands.
const live = document.querySelector(".live[data-events]");
if (live) {
  const list = live.querySelector("ol");
  const state = live.querySelector("[data-state]");
  const source = new EventSource(live.dataset.events);
  source.addEventListener("open", () => { state.textContent = "new lines appear here"; });
  source.addEventListener("error", () => {
    const ended = source.readyState === EventSource.CLOSED;
    state.textContent = ended ? "this has ended: reload the page" : "connection lost, trying again";
  });
  source.addEventListener("gap", () => { state.textContent = "too much was logged meanwhile to tell it here: reload the page"; });
  source.addEventListener("entry", (event) => {
    list.insertAdjacentHTML("afterbegin", event.data);
    while (list.childElementCount > 1000) list.lastElementChild.remove();
  });
}
