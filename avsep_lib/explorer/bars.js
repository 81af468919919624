// Horizontal bars around zero, each a button: a bar chart that opens what is behind a bar, by mouse or by keyboard.
const STYLE = `
.avsep-bars{color:var(--jp-ui-font-color1,#222);font-size:13px}
.avsep-bars h4{margin:6px 0 2px;font-size:14px}
.avsep-bars p{margin:0 0 6px}
.avsep-bars .list{max-height:460px;overflow-y:auto;padding:3px}
.avsep-bars button{display:grid;grid-template-columns:minmax(110px,38%) 1fr 62px;gap:8px;align-items:center;width:100%;
  border:0;background:none;color:inherit;font:inherit;text-align:left;padding:3px 4px;border-radius:4px;cursor:pointer}
.avsep-bars button:hover{background:rgba(127,127,127,.16)}
.avsep-bars button:focus-visible{outline:3px solid #E69F00}
.avsep-bars button[aria-pressed=true]{background:rgba(0,114,178,.18);font-weight:600}
.avsep-bars .track{position:relative;height:15px;background:linear-gradient(currentColor,currentColor) 50%/1px 100% no-repeat}
.avsep-bars .bar{position:absolute;top:1px;bottom:1px;border-radius:2px;min-width:1px}
.avsep-bars .number{text-align:right;font-variant-numeric:tabular-nums}
`;

function render({ model, el }) {
  el.classList.add("avsep-bars");
  const style = document.createElement("style");
  style.textContent = STYLE;
  const head = document.createElement("h4");
  const note = document.createElement("p");
  const list = document.createElement("div");
  list.className = "list";
  list.setAttribute("role", "group");
  el.replaceChildren(style, head, note, list);

  function line({ key, name, value, text }, largest) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = key;
    button.setAttribute("aria-pressed", String(key === model.get("value")));
    const [label, track, bar, number] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
    label.textContent = name;
    track.className = "track";
    bar.className = "bar";
    const share = (50 * Math.abs(value)) / largest;
    bar.style.width = `${share}%`;
    bar.style.left = value < 0 ? `${50 - share}%` : "50%";
    bar.style.background = value < 0 ? model.get("below") : model.get("above");
    track.append(bar);
    number.className = "number";
    number.textContent = text;
    button.append(label, track, number);
    button.addEventListener("click", () => {
      model.set("value", key);
      model.set("clicks", model.get("clicks") + 1);
      model.save_changes();
    });
    return button;
  }
  function draw() {
    head.textContent = model.get("title");
    note.textContent = model.get("note");
    list.setAttribute("aria-label", model.get("title"));
    const items = model.get("items");
    const largest = Math.max(0.5, ...items.map(({ value }) => Math.abs(value)));
    list.replaceChildren(...items.map((item) => line(item, largest)));
  }
  function mark() {
    for (const button of list.children)
      button.setAttribute("aria-pressed", String(button.dataset.key === model.get("value")));
  }
  for (const name of ["items", "title", "note"]) model.on(`change:${name}`, draw);
  model.on("change:value", mark);
  draw();
}
export default { render };
