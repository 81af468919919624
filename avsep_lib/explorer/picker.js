// Test clips to choose from: a radio group of pictures, so that arrow keys, Tab and screen readers work by themselves.
// The radio inputs are hidden from sight only; the label carries the picture, and a ring shows focus and choice.
const STYLE = `
.avsep-picker fieldset{border:0;margin:0;padding:0;min-width:0}
.avsep-picker legend{font-size:13px;padding:0 0 4px;color:var(--jp-ui-font-color1,#222)}
.avsep-picker .strip{display:flex;gap:9px;overflow-x:auto;padding:7px;scrollbar-width:thin}
.avsep-picker label{position:relative;flex:0 0 auto;cursor:pointer;text-align:center;font-size:12px;
  color:var(--jp-ui-font-color1,#222)}
.avsep-picker input{position:absolute;opacity:0;width:100%;height:100%;margin:0;cursor:pointer}
.avsep-picker img{width:68px;height:68px;display:block;border-radius:6px;outline:2px solid transparent;outline-offset:1px}
.avsep-picker input:checked+img{outline:4px solid #0072B2}
.avsep-picker input:focus-visible+img{box-shadow:0 0 0 7px #E69F00}
.avsep-picker input:disabled+img{opacity:.35}
.avsep-picker label>span{display:block;margin-top:5px}
`;


function render({ model, el }) {
  const name = `avsep-clip-${Math.random().toString(36).slice(2)}`; // two pickers must not be one group
  el.classList.add("avsep-picker");
  const style = document.createElement("style");
  style.textContent = STYLE;
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const strip = document.createElement("div");
  strip.className = "strip";
  group.append(legend, strip);
  el.replaceChildren(style, group);

  function draw() {
    legend.textContent = model.get("title");
    strip.replaceChildren(
      ...model.get("clips").map(({ key, label, src }) => {
        const box = document.createElement("label");
        const input = document.createElement("input");
        Object.assign(input, { type: "radio", name, value: key, checked: key === model.get("value") });
        input.disabled = key === model.get("taken");
        input.setAttribute("aria-label", label);
        input.addEventListener("change", () => {
          model.set("value", key);
          model.save_changes();
        });
        const image = document.createElement("img");
        Object.assign(image, { src, alt: "", title: label });
        const text = document.createElement("span");
        text.textContent = label.split(" ").pop();
        box.append(input, image, text);
        return box;
      }),
    );
    show();
  }
  function show() {
    for (const input of strip.querySelectorAll("input")) {
      input.checked = input.value === model.get("value");
      input.disabled = input.value === model.get("taken");
      if (input.checked) {
        const box = input.parentElement;  // scroll the strip alone, never the page
        strip.scrollLeft = box.offsetLeft - strip.offsetLeft - (strip.clientWidth - box.clientWidth) / 2;
      }
    }
  }
  model.on("change:clips", draw);
  model.on("change:title", draw);
  model.on("change:value", show);
  model.on("change:taken", show);
  draw();
  requestAnimationFrame(show);
}
export default { render };
