// Search and keys by a key, in dialogs; without a script both are pages.
"use strict";
(() => {
  const search = document.getElementById("search");
  const keys = document.getElementById("keys-dialog");
  if (!search || !keys || !search.showModal) return;
  const field = search.querySelector("input");
  const told = search.querySelector("[role=status]");
  const place = search.querySelector(":scope > div");
  const links = () => [...place.querySelectorAll("a")];

  // What was typed last is asked for; an answer to anything before it is of no use any more.
  const WAIT_MS = 120;
  let turn = 0;
  let asking = null;
  let shown = "";
  const says = (words) => {
    shown = "";
    place.replaceChildren();
    told.textContent = words;
    if (!words) return;
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = words;
    place.append(line);
  };
  const ask = async () => {
    const typed = field.value.trim();
    if (asking) asking.abort();
    asking = null;
    if (!typed) return says("");
    if (typed === shown) return;
    const mine = asking = new AbortController();
    try {
      const answer = await fetch(`/search?q=${encodeURIComponent(typed)}`, {
        headers: { "HX-Request": "true", "X-Follows": "1" }, credentials: "same-origin", redirect: "manual", cache: "no-store", signal: mine.signal,
      });
      const text = await answer.text();
      if (mine.signal.aborted) return;
      if (answer.status === 200) {
        place.innerHTML = text;
        shown = typed;
        const number = place.querySelector("[data-number]");
        told.textContent = number ? number.dataset.number : "";
      } else if (answer.status === 401) says("You are signed out. Load the page again to sign in.");
      else says("The console cannot search now. Try again in a moment.");
    } catch {
      if (!mine.signal.aborted) says("The console does not answer.");
    }
  };
  field.addEventListener("input", () => {
    clearTimeout(turn);
    turn = setTimeout(ask, WAIT_MS);
  });

  const opens = (dialog) => {
    dialog.showModal();
    if (dialog === search) field.select();
  };
  const types = (at) => at instanceof Element && (at.matches("input, select, textarea") || at.isContentEditable);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || types(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const dialog = event.key === "/" && !control || event.key.toLowerCase() === "k" && control && !event.shiftKey ? search
      : event.key === "?" && !control ? keys : null;
    if (!dialog) return;
    event.preventDefault();
    opens(dialog);
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens=search]");
    if (!opener || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    opens(search);
  });

  search.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    const all = links();
    const here = all.indexOf(at);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = here + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? field : all[Math.min(next, all.length - 1)] || field).focus();
    } else if (event.key === "Enter" && at === field && !event.isComposing) {
      // Results of what stands there now; else the page of all results is loaded.
      if (!all.length || shown !== field.value.trim()) return;
      event.preventDefault();
      all[0].click();
    } else if (here >= 0 && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) field.focus();
  });
  // Whoever follows a result may stay on the page: it leads to a place of it.
  search.addEventListener("click", (event) => { if (event.target.closest("a") || event.target === search) search.close(); });
  keys.addEventListener("click", (event) => { if (event.target === keys) keys.close(); });
})();
