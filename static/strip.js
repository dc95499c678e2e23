// The strip: asked for again every few seconds while the page is seen, and its countdown.
"use strict";
(() => {
  const strip = document.getElementById("strip");
  if (!strip) return;
  const ask = async () => {
    if (document.hidden) return true;
    let answer;
    try {
      answer = await fetch(`/strip?have=${encodeURIComponent(strip.dataset.version)}&on=${encodeURIComponent(location.pathname)}`, {
        headers: { "HX-Request": "true" }, credentials: "same-origin", redirect: "manual", cache: "no-store",
      });
    } catch {
      return true;
    }
    if (answer.status === 200) {
      strip.innerHTML = await answer.text();
      strip.dataset.version = answer.headers.get("X-Version") || "none";
      count();
    }
    // Whoever is not signed in any more is asked nothing more.
    return answer.status === 200 || answer.status === 204 || answer.status >= 500 || answer.status === 429;
  };
  const count = () => {
    for (const clock of strip.querySelectorAll("[data-deadline]")) {
      const left = Math.max(0, Math.ceil((Number(clock.dataset.deadline) - Date.now()) / 1000));
      clock.textContent = ` (${left} s)`;
    }
  };
  count();
  setInterval(count, 1000);
  const turn = setInterval(async () => { if (!(await ask())) clearInterval(turn); }, 5000);
})();
