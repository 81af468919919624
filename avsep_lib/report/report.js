(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, place = document) => [...place.querySelectorAll(selector)];
  const kept = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* a page opened from disk may not store */ } } };

  all(".script").forEach((part) => { part.hidden = false; });
  if (matchMedia("(max-width: 77.99rem)").matches) all(".contents details").forEach((list) => { list.open = false; });

  const button = document.getElementById("theme") || document.createElement("button");
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `${button.textContent} colours`); };
  if (kept.get()) root.dataset.theme = kept.get();
  name();
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; kept.set(root.dataset.theme); name(); });

  const filter = document.getElementById("filter");
  if (filter) {
    const rows = all(".claims tbody tr");
    const show = () => {
      const chosen = new Set(all("input:checked", filter).map((box) => box.value));
      const words = filter.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (row) => chosen.has(row.dataset.verdict) && words.every((word) => row.textContent.toLowerCase().includes(word));
      rows.forEach((row) => { row.hidden = !fits(row); });
      filter.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
    };
    filter.addEventListener("input", show);
    filter.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", () => {
      const target = document.getElementById(location.hash.slice(1));
      if (target && target.hidden) { filter.reset(); show(); target.scrollIntoView(); }
    });
  }

  const unfold = () => { const part = document.getElementById(location.hash.slice(1)); if (part instanceof HTMLDetailsElement) part.open = true; };
  unfold();
  addEventListener("hashchange", unfold);

  const code = document.getElementById("code");
  if (code) code.addEventListener("click", () => {
    const open = code.getAttribute("aria-pressed") !== "true";
    all("details.code").forEach((part) => { part.open = open; });
    code.setAttribute("aria-pressed", String(open));
  });

  all("audio").forEach((player) => player.addEventListener("play", () => all("audio").forEach((other) => { if (other !== player) other.pause(); })));
})();
