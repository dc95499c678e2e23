// A run under way: its lines as they come, its parts as they change, the countdown. The page works without; this spares
// the reloading.
"use strict";

(() => {
  const run = document.getElementById("run");
  if (!run || !window.EventSource) return;
  const base = "/runs/" + run.dataset.run;
  const output = document.getElementById("output");
  const host = document.title.includes(" · ") ? document.title.slice(document.title.lastIndexOf(" · ")) : "";
  let last = Number(run.dataset.last);
  let ended = false;
  let closed = false; // the stream has said that nothing more will come
  let offset = 0; // the host's clock less ours, in milliseconds
  let asked = 0;
  let arrived = 0;
  let lastArrival = Date.now();

  const head = () => document.getElementById("run-head");
  const waits = () => head() && head().dataset.state === "awaiting-keep";
  const isFinal = (state) => state !== "running" && state !== "awaiting-keep";

  // Lines are numbered: one that is here already is not added again.
  const add = (line) => {
    if (line.number <= last) return;
    last = line.number;
    if (line.changed) return refresh();
    const follows = output.scrollTop + output.clientHeight >= output.scrollHeight - 24;
    const row = document.createElement("span");
    row.className = "line";
    row.dataset.number = line.number;
    const time = document.createElement("span");
    time.className = "t";
    time.textContent = line.time;
    const text = document.createElement("span");
    text.className = line.class;
    text.textContent = line.text;
    row.append(time, " ", text, "\n");
    output.append(row);
    while (output.childElementCount > 4000) output.firstElementChild.remove();
    if (follows) output.scrollTop = output.scrollHeight;
  };

  // What changed is fetched ready-made; many changes at once need one look.
  let planned = 0;
  const refresh = () => {
    if (planned) return;
    planned = setTimeout(async () => {
      planned = 0;
      try {
        const answer = await fetch(base + "/parts", { cache: "no-store" });
        reached();
        // Signed out, or the console began anew: the sign-in page leads back here.
        if (answer.redirected || answer.status === 401) return location.reload();
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const newHead = fresh.getElementById("run-head");
        const newFacts = fresh.getElementById("run-facts");
        if (!newHead || !newFacts) return;
        const facts = document.getElementById("run-facts");
        const [fold, newFold] = [facts, newFacts].map((part) => part.querySelector("details.fold"));
        if (fold && newFold && !isFinal(newHead.dataset.state)) newFold.open = fold.open; // as it was left
        facts.replaceWith(newFacts);
        // Why pot is removed is asked once: what is typed there stays.
        const [why, newWhy] = [document, fresh].map((page) => page.getElementById("run-why"));
        if (why && newWhy && !why.firstElementChild) why.replaceWith(newWhy);
        for (const [id, words] of [["run-state", newHead.dataset.said], ["run-elapsed", newHead.dataset.elapsed]]) {
          const place = document.getElementById(id);
          if (place) place.textContent = words;
        }
        const count = document.getElementById("count-operations");
        if (count) count.textContent = { "awaiting-keep": "1 waiting", running: "1 running" }[newHead.dataset.state] || "";
        const [next, newNext] = [head(), newHead].map((part) => part.querySelector("#next"));
        // Only what comes next is new.
        if (next && isFinal(newHead.dataset.state) && newHead.dataset.state === head().dataset.state) {
          if (newNext) next.replaceWith(newNext.cloneNode(true));
          else next.remove();
        // The buttons stay under the finger: the question is put anew only when it changes.
        } else if (newHead.dataset.state !== head().dataset.state || newHead.dataset.deadline !== head().dataset.deadline || newHead.dataset.state === "running") {
          const focused = head().contains(document.activeElement);
          head().replaceWith(newHead);
          arm();
          if (focused) {
            const button = newHead.querySelector("button");
            if (button) button.focus();
          }
        }
        if (isFinal(newHead.dataset.state)) {
          end(newHead);
          // What comes next is said once the host has been read again.
          if (newHead.querySelector("[data-reading]")) setTimeout(refresh, 1000);
        } else if (newHead.dataset.state === "awaiting-keep") probe();
      } catch { lost(); }
      if (closed && !ended) setTimeout(refresh, 1000); // no line will come that asks for it
    }, 150);
  };

  const icon = (sign, colour) => {
    const link = document.querySelector("link[rel=icon]");
    if (!link) return;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="${colour}"/><text x="8" y="12" font-size="11" font-family="sans-serif" font-weight="700" text-anchor="middle" fill="white">${sign}</text></svg>`;
    link.type = "image/svg+xml";
    link.href = "data:image/svg+xml," + encodeURIComponent(svg);
  };

  const end = (newHead) => {
    if (ended) return;
    ended = true;
    document.title = newHead.dataset.title;
    const good = newHead.dataset.state === "as-planned" || newHead.dataset.state === "reverted";
    icon(good ? "✓" : "!", good ? "#2c6a3b" : "#b0271d");
  };

  // Whether the console answers. A page that cannot know must not look as if it did.
  let silentSince = 0;
  const offline = document.getElementById("offline");
  const reached = () => {
    silentSince = 0;
    if (offline) offline.hidden = true;
  };
  const lost = () => {
    if (!silentSince) silentSince = Date.now();
  };

  let stream = null;
  const listen = () => {
    stream = new EventSource(base + "/events?after=" + last);
    stream.onopen = reached;
    stream.addEventListener("run", (event) => add(JSON.parse(event.data)));
    stream.addEventListener("end", () => {
      stream.close();
      closed = true;
      refresh();
    });
    stream.onerror = () => {
      if (ended) return;
      lost();
      // Closed for good (a restart of the server, a proxy, signed out): see why, and begin a new one behind what is here.
      if (stream.readyState !== EventSource.CLOSED) return;
      refresh();
      setTimeout(listen, 1000);
    };
  };
  listen();
  // Who leaves the page closes the stream: one that breaks off would be told as an error.
  addEventListener("pagehide", () => { if (stream) stream.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted && !closed) listen(); });

  // Does a new connection get through? Each answer ends its connection, so each question takes a new one.
  let probing = null;
  const probe = () => {
    if (ended || !waits()) return Promise.resolve();
    if (!probing) probing = question().finally(() => { probing = null; });
    return probing;
  };

  // The last answer's proof. The form may be swapped after it came: without it, Keep would be asked for once more.
  let nonce = "";
  const arm = () => {
    const form = head() && head().querySelector("form[action$='/keep']");
    if (!nonce || !form) return;
    let field = form.elements.nonce;
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = "nonce";
      form.append(field);
    }
    field.value = nonce;
  };

  // Pressed before the proof has come: what is pressed is sent with it.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("#run-head form[action$='/keep']") || form.elements.nonce) return;
    arm();
    if (form.elements.nonce) return;
    event.preventDefault();
    await probe();
    form.submit();
  });

  const question = async () => {
    asked += 1;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 4000);
    try {
      const answer = await fetch(base + "/probe", { cache: "no-store", signal: stop.signal });
      reached();
      if (answer.redirected || answer.status === 401) return location.reload();
      if (answer.ok) {
        const told = await answer.json();
        offset = told.now_ms - Date.now();
        if (told.new) {
          arrived += 1;
          lastArrival = Date.now();
        }
        if (told.nonce) {
          nonce = told.nonce;
          arm();
        }
        if (told.state !== "awaiting-keep" || !told.deadline_ms) refresh();
      }
    } catch { lost(); }
    clearTimeout(timer);
    say();
  };

  const say = () => {
    const place = document.getElementById("probe");
    if (!place || !asked) return;
    const silent = Math.round((Date.now() - lastArrival) / 1000);
    const words = silent >= 8
      ? `No new connection has arrived for ${silent} s. You may be cut off. Just wait: the old state returns at ${place.dataset.until}.`
      : `New connections from your browser arrive: ${arrived} of ${asked}`;
    if (place.dataset.words === words) return;
    place.dataset.words = words;
    const mark = place.querySelector("svg use");
    if (mark) mark.setAttribute("href", silent >= 8 ? "#i-warn" : "#i-tick");
    for (const node of [...place.childNodes]) if (node.nodeName.toLowerCase() !== "svg") node.remove();
    place.append(words);
  };

  // Spoken at a few moments: one that spoke every second would talk over everything else.
  let told = Infinity;
  const tell = (left) => {
    const mark = [10, 30, 60, 120, 300].find((mark) => left <= mark);
    const place = document.getElementById("time-left");
    if (!place || !mark || mark >= told) return;
    told = mark;
    place.textContent = `${left} seconds left to keep the new network; then it is put back.`;
  };

  setInterval(() => {
    if (ended) return;
    if (offline && silentSince && Date.now() - silentSince > 3000) offline.hidden = false;
    const elapsed = Math.max(0, Math.round((Date.now() + offset - Number(run.dataset.started)) / 1000)) + " s";
    for (const id of ["elapsed", "run-elapsed"]) {
      const place = document.getElementById(id);
      if (place) place.textContent = elapsed;
    }
    if (!waits()) return;
    if (!head().dataset.deadline) {
      document.title = head().dataset.title;
      if (!document.hidden) refresh();
      return;
    }
    const left = Math.max(0, Math.ceil((Number(head().dataset.deadline) - Date.now() - offset) / 1000));
    const seconds = document.getElementById("seconds");
    const progress = document.getElementById("progress");
    const clock = document.getElementById("clock");
    if (seconds) seconds.textContent = left;
    if (progress) progress.value = left;
    if (clock) clock.setAttribute("aria-label", `${left} seconds left to answer`);
    tell(left);
    document.title = `${left} s to answer · Run ${run.dataset.run}${host}`;
    if (left % 2 === 0) probe();
    say();
    if (left === 0) refresh();
  }, 1000);
  if (waits()) probe();
  refresh();
})();
