// One transport for several sounds that belong together: switching keeps the position, and no level is touched.
// The same text is an anywidget module and, inline, the script of a static page; it imports and fetches nothing.

const RAMP = 0.005; // seconds of a cross-fade, short enough to be a switch and long enough not to click
const LEAD = 0.02; // seconds between a command and its sound, so that all sources start on the same sample
const STEP = 0.5; // seconds an arrow key moves
const DRIFT = 0.1; // seconds that media elements may be apart; a seek below that costs more than it mends
const ICONS = { play: "M6 4v16l14-8z", pause: "M6 4h4v16H6zM14 4h4v16h-4z" };
const SVG = "http://www.w3.org/2000/svg";

// ---- sound -----------------------------------------------------------------------------------------------------

// All sounds play at once through Web Audio, all but one at gain 0.
class BufferEngine {
  constructor(rate) {
    Object.assign(this, { rate, tracks: [], buffers: [], voices: [], offset: 0, start: 0, active: 0, duration: 0 });
    this.playing = this.loop = false;
  }

  async load(tracks, duration) {
    const going = this.playing;
    Object.assign(this, { tracks, duration, buffers: [] });
    if (!going) return;
    await this.decode();
    if (this.tracks === tracks && this.playing) this.begin(this.position(LEAD));
  }

  async decode() {
    const tracks = this.tracks;
    this.context ??= openContext(this.rate);
    const decoded = await Promise.all(tracks.map((track) => this.context.decodeAudioData(track.bytes())));
    const longest = Math.max(1, ...decoded.map((buffer) => buffer.length));
    const buffers = decoded.map((buffer) => padded(this.context, buffer, longest));
    return this.tracks === tracks ? (this.buffers = buffers) : this.decode();
  }

  async play() {
    if (!this.buffers.length) await this.decode();
    await this.context.resume();
    this.begin(this.offset);
  }

  begin(at) {
    const begin = this.context.currentTime + LEAD;
    this.silence(begin);
    this.voices = this.buffers.map((buffer, i) => {
      const gain = new GainNode(this.context, { gain: 0 });
      const source = new AudioBufferSourceNode(this.context, { buffer, loop: this.loop });
      source.connect(gain).connect(this.context.destination);
      gain.gain.setValueAtTime(0, begin);
      gain.gain.linearRampToValueAtTime(i === this.active ? 1 : 0, begin + RAMP);
      source.start(begin, at);
      return { source, gain: gain.gain };
    });
    Object.assign(this, { offset: at, start: begin, playing: true });
  }

  silence(from) {
    for (const { source, gain } of this.voices) {
      fade(gain, 0, from);
      source.stop(from + RAMP);
    }
    this.voices = [];
  }

  pause() {
    this.offset = this.position();
    this.playing = false;
    if (this.context) this.silence(this.context.currentTime);
  }

  seek(time) {
    if (this.playing && this.buffers.length) this.begin(time);
    else [this.offset, this.start] = [time, this.context?.currentTime ?? 0];
  }

  choose(index) {
    this.active = index;
    this.voices.forEach(({ gain }, i) => fade(gain, i === index ? 1 : 0, this.context.currentTime));
  }

  repeat(on) {
    if (this.playing) [this.offset, this.start] = [this.position(), this.context.currentTime];
    this.loop = on;
    for (const { source } of this.voices) source.loop = on;
  }

  position(ahead = 0) {
    if (!this.playing) return this.offset;
    const time = this.offset + Math.max(0, this.context.currentTime + ahead - this.start);
    return this.loop && this.duration ? time % this.duration : Math.min(time, this.duration);
  }

  ended() {
    return this.playing && !this.loop && this.position() >= this.duration;
  }

  close() {
    this.pause();
    this.context?.close();
  }
}

// Files beside a page opened from disk cannot be read by scripts, only played: media elements, all but one muted.
class ElementEngine {
  constructor(elements) {
    Object.assign(this, { elements, active: 0, playing: false });
  }

  load() {}

  async play() {
    this.playing = true;
    this.choose(this.active);
    await Promise.all(this.elements.map(loaded)); // what starts in one go stays together
    if (this.playing) await Promise.all(this.elements.map((element) => element.play()));
  }

  align(index, time) {
    const element = this.elements[index];
    if (Math.abs(element.currentTime - time) > DRIFT && time <= element.duration) element.currentTime = time;
  }

  pause() {
    this.playing = false;
    for (const element of this.elements) element.pause();
  }

  seek(time) {
    for (const element of this.elements) {
      element.currentTime = Math.min(time, element.duration || time);
      if (this.playing && element.paused) element.play();
    }
  }

  choose(index) {
    this.align(index, this.position());
    this.active = index;
    this.elements.forEach((element, i) => (element.muted = i !== index));
  }

  repeat(on) {
    for (const element of this.elements) element.loop = on;
  }

  position() {
    return this.elements[this.active].currentTime;
  }

  ended() {
    return this.playing && this.elements[this.active].ended;
  }

  close() {
    this.pause();
  }
}

function loaded(element) {
  if (element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return null;
  element.preload = "auto";
  return new Promise((resolve) => {
    for (const event of ["canplay", "error"]) element.addEventListener(event, resolve, { once: true });
  });
}

// At the rate of the sounds a decoded sample is the encoded one; a browser that refuses the rate resamples.
function openContext(rate) {
  try {
    return new AudioContext({ sampleRate: rate });
  } catch {
    return new AudioContext();
  }
}

function padded(context, buffer, length) {
  if (buffer.length === length) return buffer;
  const longer = context.createBuffer(buffer.numberOfChannels, length, buffer.sampleRate);
  for (let i = 0; i < buffer.numberOfChannels; i++) longer.copyToChannel(buffer.getChannelData(i), i);
  return longer;
}

function fade(gain, value, from) {
  const now = gain.value;
  gain.cancelScheduledValues(0);
  gain.setValueAtTime(now, from);
  gain.linearRampToValueAtTime(value, from + RAMP);
}

// ---- page ------------------------------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const { attributes = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function drawn(name, box, paths, attributes = {}) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: box, "aria-hidden": "true", class: name, ...attributes }))
    svg.setAttribute(key, value);
  for (const d of paths) svg.appendChild(document.createElementNS(SVG, "path")).setAttribute("d", d);
  return svg;
}

// Lowest and highest sample of each column, as signed bytes; all sounds of a player share one scale.
function waveform(peaks, scale) {
  const n = peaks.length / 2;
  const y = (value) => (50 - (50 * value) / scale).toFixed(1);
  const high = Array.from({ length: n }, (_, i) => `${i},${y(Math.max(peaks[2 * i + 1], 0.5))}`);
  const low = Array.from({ length: n }, (_, i) => `${n - 1 - i},${y(Math.min(peaks[2 * (n - 1 - i)], -0.5))}`);
  return drawn("avsep-wave", `0 0 ${n - 1} 100`, [`M${high.join("L")}L${low.join("L")}z`], { preserveAspectRatio: "none" });
}

function picture(png) {
  const canvas = make("canvas", { className: "avsep-picture" });
  createImageBitmap(new Blob([png], { type: "image/png" })).then((image) => {
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").drawImage(image, 0, 0);
  });
  return canvas;
}

class Player {
  constructor(root, engine, remember = () => {}) {
    Object.assign(this, { root, engine, remember, tracks: [], duration: 0, buttons: [] });
    this.play = make("button", { type: "button", className: "avsep-play", title: "Play or pause (space)" });
    this.slider = make("input", { type: "range", className: "avsep-position", min: 0, step: 0.01, value: 0 });
    this.slider.setAttribute("aria-label", "Position");
    this.time = make("span", { className: "avsep-time" });
    this.loop = make("button", { type: "button", className: "avsep-loop", title: "Repeat (R)", textContent: "Repeat" });
    this.strip = make("div", { className: "avsep-strip", attributes: { role: "img" } });
    this.head = make("div", { className: "avsep-head" });
    this.sounds = make("div", { className: "avsep-sounds", attributes: { role: "group", "aria-label": "Sound" } });
    this.status = make("p", { className: "avsep-status", attributes: { role: "status" } });
    const bar = make("div", { className: "avsep-bar" }, this.play, this.slider, this.time, this.loop);
    root.replaceChildren(bar, this.strip, this.sounds, this.status);
    for (const [name, value] of Object.entries({ role: "group", "data-lm-suppress-shortcuts": "true" }))
      root.setAttribute(name, value); // JupyterLab would turn a digit into a heading
    if (!root.hasAttribute("aria-label")) root.setAttribute("aria-label", "Player");
    this.listen();
    this.setLoop(false);
  }

  listen() {
    const unless = (event) => event.detail !== this && this.engine.playing && this.toggle();
    document.addEventListener("avsep-play", unless); // one player at a time
    this.unlisten = () => document.removeEventListener("avsep-play", unless);
    this.play.onclick = () => this.toggle();
    this.loop.onclick = () => this.setLoop(this.loop.getAttribute("aria-pressed") !== "true");
    this.slider.oninput = () => this.seek(Number(this.slider.value));
    this.strip.onpointerdown = this.strip.onpointermove = (event) => {
      if (!(event.buttons & 1)) return;
      const box = this.strip.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.duration);
    };
    this.root.onkeydown = (event) => this.key(event);
    this.root.onkeyup = (event) => event.key === " " && event.preventDefault(); // a button would also click itself
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const digit = Number(event.key);
    const at = this.engine.position();
    const acts = { " ": () => this.toggle(), r: () => this.loop.click(), Home: () => this.seek(0) };
    Object.assign(acts, { ArrowLeft: () => this.seek(at - STEP), ArrowRight: () => this.seek(at + STEP) });
    if (event.key.trim() && digit >= 1 && digit <= this.tracks.length) acts[event.key] = () => this.choose(digit - 1);
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  // New sounds: the position stays when the length does, the choice stays by name.
  async update(tracks, duration, active = 0) {
    const old = this.tracks[this.engine.active]?.name;
    const same = tracks.findIndex((track) => track.name === old);
    const kept = Math.abs(duration - this.duration) < 1e-6;
    Object.assign(this, { tracks, duration });
    this.slider.max = duration;
    this.play.disabled = this.slider.disabled = !tracks.length;
    this.say(tracks.length ? "" : "No sound yet.");
    if (!tracks.length && this.engine.playing) this.engine.pause();
    this.list();
    const loaded = this.engine.load(tracks, duration);
    if (!kept) this.engine.seek(0);
    if (tracks.length) this.choose(Math.min(same >= 0 ? same : active, tracks.length - 1));
    this.show();
    await loaded;
  }

  // Buttons stay in the page, so that the one with the focus keeps it.
  list() {
    while (this.buttons.length > this.tracks.length) this.buttons.pop().remove();
    this.tracks.forEach((track, i) => {
      const button = (this.buttons[i] ??= make("button", { type: "button", onclick: () => this.choose(i) }));
      const name = make("span", { className: "avsep-name", textContent: track.name });
      const level = make("span", { className: "avsep-level", textContent: track.level });
      const key = make("kbd", { textContent: i + 1, attributes: { "aria-hidden": "true" } });
      button.replaceChildren(...(i < 9 ? [key] : []), name, level);
      if (!button.isConnected) this.sounds.append(button);
    });
  }

  choose(index) {
    this.engine.choose(index);
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === index));
    const { name, peaks, png } = this.tracks[index];
    const scale = Math.max(1, ...this.tracks.flatMap((track) => Array.from(track.peaks, Math.abs)));
    this.strip.replaceChildren(png ? picture(png) : waveform(peaks, scale), this.head);
    this.strip.setAttribute("aria-label", `${png ? "Spectrogram" : "Waveform"} of ${name}`);
    this.remember({ active: index, position: this.engine.position() });
  }

  seek(time) {
    this.engine.seek(Math.min(Math.max(0, time), this.duration));
    this.show();
    this.remember({ position: this.engine.position() });
  }

  setLoop(on) {
    this.loop.setAttribute("aria-pressed", on);
    this.engine.repeat(on);
  }

  async toggle() {
    if (!this.tracks.length) return;
    if (this.engine.playing) {
      this.engine.pause();
      this.remember({ position: this.engine.position(), playing: false });
    } else {
      document.dispatchEvent(new CustomEvent("avsep-play", { detail: this }));
      if (this.engine.position() >= this.duration - 0.01) this.engine.seek(0);
      await this.engine.play().catch((error) => this.say(`This browser cannot play these sounds: ${error.message}`));
      this.remember({ playing: this.engine.playing });
    }
    this.show();
  }

  show() {
    if (this.engine.ended()) {
      this.engine.pause();
      this.engine.seek(0);
      this.remember({ position: 0, playing: false });
    }
    const { playing } = this.engine;
    const at = this.engine.position();
    const text = `${at.toFixed(1)} of ${this.duration.toFixed(1)} s`;
    this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", text);
    this.time.textContent = text;
    this.head.style.left = `${this.duration ? (100 * at) / this.duration : 0}%`;
    if (this.drawnAs !== playing) {
      this.drawnAs = playing;
      this.play.replaceChildren(drawn("avsep-icon", "0 0 24 24", [ICONS[playing ? "pause" : "play"]]));
      this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    }
    cancelAnimationFrame(this.frame);
    if (playing) this.frame = requestAnimationFrame(() => this.show());
  }

  say(text) {
    this.status.textContent = text;
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.unlisten();
    this.engine.close();
  }
}

// ---- a widget, or a static page --------------------------------------------------------------------------------

function ofWidget({ name, level, flac, peaks, png }) {
  const view = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, level, bytes: () => view(flac).slice().buffer, peaks: new Int8Array(view(peaks)), png: png && view(png) };
}

function render({ model, el }) {
  const root = make("div", { className: "avsep-player" });
  el.append(root);
  const remember = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const player = new Player(root, new BufferEngine(model.get("sample_rate")), remember);
  root.player = player;
  const update = () => player.update(model.get("tracks").map(ofWidget), model.get("duration"), model.get("active"));
  update().then(() => player.seek(model.get("position")));
  model.on("change:tracks", update);
  return () => {
    model.off("change:tracks", update);
    player.close();
  };
}

const unpacked = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// The rows of a static player hold native controls; with scripts they become one player of the same sounds.
function enhance(root) {
  const rows = [...root.querySelectorAll("[data-peaks]")];
  const elements = rows.map((row) => row.querySelector("audio"));
  const embedded = elements.every((element) => element.src.startsWith("data:"));
  const tracks = rows.map(({ dataset }, i) => ({
    name: dataset.name,
    level: dataset.level,
    peaks: new Int8Array(unpacked(dataset.peaks)),
    png: dataset.png && unpacked(dataset.png),
    bytes: () => unpacked(elements[i].src.split(",")[1]).buffer,
  }));
  const engine = embedded ? new BufferEngine(Number(root.dataset.rate)) : new ElementEngine(elements);
  root.player = new Player(root, engine);
  root.player.update(tracks, Number(root.dataset.seconds));
}

for (const root of document.querySelectorAll(".avsep-player[data-static]")) {
  root.removeAttribute("data-static");
  enhance(root);
}

export default { render };
