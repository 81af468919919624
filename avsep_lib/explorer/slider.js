// A labelled range input: what ipywidgets draws as a slider has no name that a screen reader could say.
const STYLE = `
.avsep-slider label{display:grid;grid-template-columns:112px minmax(0,1fr) 52px;gap:8px;align-items:center;font-size:13px;
  color:var(--jp-ui-font-color1,#222);padding:3px 2px}
.avsep-slider label>span:first-child{text-align:right}
.avsep-slider input{width:100%;accent-color:#0072B2;margin:0}
.avsep-slider input:focus-visible{outline:3px solid #E69F00;outline-offset:2px}
.avsep-slider output{font-variant-numeric:tabular-nums}
.avsep-slider label.off{opacity:.5}
`;

function render({ model, el }) {
  el.classList.add("avsep-slider");
  const style = document.createElement("style");
  style.textContent = STYLE;
  const [label, name, input, shown] = ["label", "span", "input", "output"].map((tag) => document.createElement(tag));
  input.type = "range";
  label.append(name, input, shown);
  el.replaceChildren(style, label);

  const text = () => `${Number(input.value).toFixed(model.get("digits"))}${model.get("unit")}`.replace("-", "−");
  function draw() {
    for (const key of ["min", "max", "step"]) input[key] = model.get(key);
    input.value = model.get("value");
    input.disabled = model.get("disabled");
    label.classList.toggle("off", input.disabled);
    label.title = model.get("tooltip");
    name.textContent = model.get("description");
    input.setAttribute("aria-label", model.get("description"));
    shown.textContent = text();
    input.setAttribute("aria-valuetext", text());
  }
  input.addEventListener("input", () => (shown.textContent = text())); // the number follows; the network waits
  input.addEventListener("change", () => {
    model.set("value", Number(input.value));
    model.save_changes();
  });
  for (const key of ["value", "disabled", "description", "tooltip"]) model.on(`change:${key}`, draw);
  draw();
}
export default { render };
