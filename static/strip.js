// The strip: asked for again every few seconds while the page is seen, and its countdown. Its answer says, too, whether
// the host is another than the one that the page shows: then the page is asked for anew and what is different is swapped.
"use strict";
(() => {
  const strip = document.getElementById("strip");
  if (!strip) return;
  const ask = (address, more) => fetch(address, {
    headers: { "HX-Request": "true", ...more }, credentials: "same-origin", redirect: "manual", cache: "no-store",
  });
  const count = () => {
    for (const clock of strip.querySelectorAll("[data-deadline]")) {
      const left = Math.max(0, Math.ceil((Number(clock.dataset.deadline) - Date.now()) / 1000));
      clock.textContent = ` (${left} s)`;
    }
  };

  // Age goes on, in the words of the page.
  const since = new WeakMap();
  const ago = (seconds) => {
    if (seconds < 100) return `${seconds} s ago`;
    if (seconds < 6000) return `${Math.floor(seconds / 60)} min ago`;
    return seconds < 172800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86400)} days ago`;
  };
  const age = () => {
    for (const one of document.querySelectorAll("[data-ago]")) {
      if (!since.has(one)) since.set(one, performance.now());
      one.textContent = ago(Number(one.dataset.ago) + Math.floor((performance.now() - since.get(one)) / 1000));
    }
  };

  // Nothing is swapped under the finger, under the caret, or under words that are being copied.
  let pressed = false;
  addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = false; }, true);
  const main = document.getElementById("main");
  const busy = () => {
    const at = document.activeElement;
    const words = getSelection();
    return pressed || (at && main.contains(at) && at.matches("input, select, textarea"))
      || (!words.isCollapsed && main.contains(words.anchorNode));
  };

  // The parts of the page are those of its main element. What is another in each answer makes no difference: the proofs in
  // forms, and for how long something has been so.
  const key = (part) => part.id || part.getAttribute("aria-labelledby") || part.getAttribute("aria-label") || `${part.localName} ${part.classList[0] || ""}`;
  const told = (part) => {
    const copy = part.cloneNode(true);
    copy.removeAttribute("data-facts");
    for (const field of copy.querySelectorAll("[name=csrf]")) field.remove();
    for (const one of copy.querySelectorAll("[data-ago]")) one.remove();
    for (const one of copy.querySelectorAll("details")) one.open = false;
    for (const one of copy.querySelectorAll("[autofocus]")) one.removeAttribute("autofocus");
    return copy.outerHTML;
  };
  const heading = (details) => {
    const summary = details.firstElementChild.cloneNode(true);
    for (const part of summary.querySelectorAll(".quiet")) part.remove();
    return summary.textContent;
  };
  const open = (part) => [...(part.matches("details") ? [part] : []), ...part.querySelectorAll("details")];
  const like = (one) => `${one.localName} ${one.textContent} ${one.getAttribute("href") || ""}`;
  const put = (part, had) => {
    const opened = new Set(open(had).filter((details) => details.open).map(heading));
    for (const details of open(part)) if (opened.has(heading(details))) details.open = true;
    const at = had.contains(document.activeElement) ? document.activeElement : null;
    const first = part.querySelector("[autofocus]");
    if (first) first.removeAttribute("autofocus");
    const same = at && [...part.querySelectorAll(at.localName)].find((one) => like(one) === like(at));
    had.replaceWith(part);
    if (at) (same || first || part.querySelector("button, a") || main).focus({ preventScroll: true });
  };
  const swap = (fresh) => {
    const parts = new Map([...main.children].map((part) => [key(part), part]));
    let before = null;
    for (const part of [...fresh.getElementById("main").children]) {
      const had = parts.get(key(part));
      parts.delete(key(part));
      let now = had;
      if (!had) {
        now = part;
        if (before) before.after(part);
        else main.prepend(part);
      } else if (told(had) !== told(part)) {
        now = part;
        put(part, had);
      }
      before = now;
    }
    for (const part of parts.values()) {
      const focused = part.contains(document.activeElement);
      part.remove();
      if (focused) main.focus({ preventScroll: true });
    }
    document.title = fresh.title;
    // The first page may be shown before the host has said its name.
    const names = fresh.querySelectorAll("p.hostname");
    for (const [index, place] of document.querySelectorAll("p.hostname").entries()) {
      if (names[index] && place.textContent !== names[index].textContent) place.replaceChildren(...names[index].childNodes);
    }
    for (const place of document.querySelectorAll("nav .count[id]")) {
      const other = fresh.getElementById(place.id);
      if (other) place.textContent = other.textContent;
    }
  };
  const shown = () => main && main.querySelector("[data-facts]");
  const follow = async (facts) => {
    const now = shown();
    if (!facts || !now || now.dataset.facts === facts || busy()) return;
    const answer = await ask(location.href, { "X-Follows": "1" });
    if (answer.status !== 200 && answer.status !== 404) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const other = fresh.querySelector("#main [data-facts]");
    if (!other || busy()) return;
    // A part that says the same stays; the number is the page's all the same.
    const number = other.dataset.facts;
    swap(fresh);
    shown().dataset.facts = number;
    age();
  };

  const look = async () => {
    if (document.hidden) return true;
    let answer;
    try {
      answer = await ask(`/strip?have=${encodeURIComponent(strip.dataset.version)}&on=${encodeURIComponent(location.pathname)}`);
      if (answer.status === 200) {
        strip.innerHTML = await answer.text();
        strip.dataset.version = answer.headers.get("X-Version") || "none";
        count();
      }
      await follow(answer.headers.get("X-Facts"));
    } catch {
      return true;
    }
    // Whoever is not signed in any more is asked nothing more.
    return answer.status === 200 || answer.status === 204 || answer.status >= 500 || answer.status === 429;
  };
  count();
  setInterval(() => { count(); age(); }, 1000);
  let turn = 0;
  const again = () => { turn = setTimeout(once, main && main.querySelector("[data-facts] [data-reload]") ? 1000 : 5000); };
  const once = async () => {
    turn = 0;
    if (await look()) again();
  };
  again();
  // Whoever comes back to the page sees at once how things are.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !turn) return;
    clearTimeout(turn);
    once();
  });
})();

// Pictures: what an element stands for is said in full where it is pointed at, and for whoever comes to it by keyboard.
(() => {
  const say = ({ target }) => {
    const element = target.closest?.(".net .b");
    const place = element?.closest("figure").querySelector(".net-said");
    for (const said of document.querySelectorAll(".net-said")) {
      const words = said === place ? element.querySelector("title").textContent : "";
      if (said.textContent !== words) said.textContent = words;
    }
  };
  document.addEventListener("focusin", say);
  document.addEventListener("pointerover", say);
})();
