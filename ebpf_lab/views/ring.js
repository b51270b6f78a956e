// The page's side of draw(b["output"]): draws what the traits of RingView (ring.py) say.

const RI = 132, RO = 168, ROUND = Math.PI * (RI + RO);  // of the ring, in units of the picture: its edges, once round
const SEEN = 3;  // units that a record must have to be drawn as one of its own
const STATES = { ready: "ready", busy: "busy: the reader waits", discarded: "discarded: skipped" };

const shape = (parent, tag, attributes, text = "") => {
  const made = Object.assign(drawn(tag, attributes), { textContent: text });
  parent.append(made);
  return made;
};
const short = bytes => {
  const unit = Math.floor(Math.log2(bytes || 1) / 10);
  return `${count(bytes / 1024 ** unit)} ${["", "KiB", "MiB", "GiB"][unit]}`.trim();
};

function table(parent, className, heads, rows) {
  const made = element("table", className);
  const line = made.createTHead().insertRow();
  for (const head of heads) line.append(Object.assign(element("th", "", head), { scope: "col" }));
  const body = made.createTBody();
  parent.append(made);
  return rows.map(row => {
    const line = body.insertRow();
    return row.map(cell => { const made = line.insertCell(); made.append(cell); return made; });
  });
}

function render({ model, el }) {
  const id = `ebpf-ring-${Math.random().toString(36).slice(2)}`, { size } = model.get("shown");
  group(el, "ebpf-ring", "Ring buffer, live");

  const bar = element("div", "bar");
  const write = element("button", "write"), read = element("button", "read", "Read one");
  const label = element("label", "pace", "Reader ");
  const slider = Object.assign(element("input", ""), { type: "range", max: model.get("stops").length - 1, ariaLabel: "How fast the reader reads" });
  const pace = element("span", "value");
  label.append(slider, pace);
  write.title = "Runs the program once, with BPF_PROG_TEST_RUN";
  bar.append(write, read, label);
  const note = status("div");
  const body = element("div", "body"), side = element("div", "side");

  const svg = shape(body, "svg", { viewBox: "-236 -204 472 408", role: "img" });
  const hatch = (name, d, colour) => {
    const pattern = shape(shape(svg, "defs", {}), "pattern", { id: `${id}-${name}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" });
    shape(pattern, "path", { d, ...colour });
    return `url(#${id}-${name})`;
  };
  const over = { stroke: "#fff", "stroke-width": 1.5 };
  const fills = {
    read: hatch("read", "M-1 1l2 -2M0 6l6 -6M5 7l2 -2", { stroke: "currentColor", "stroke-opacity": 0.35 }),
    busy: hatch("busy", "M0 0V6M3 0V6", over), discarded: hatch("discarded", "M0 0l6 6M0 6l6 -6", over),
  };
  const parts = Object.fromEntries(["read", "unread", "busy", "discarded", "heads"].map(name =>
    [name, shape(svg, "path", { class: name, fill: fills[name] ?? "" })]));
  const point = (radius, at) => `${radius * Math.sin(2 * Math.PI * at / size)} ${-radius * Math.cos(2 * Math.PI * at / size)}`;
  const sector = (from, to) => {  // from and to are positions in bytes
    if (to - from > size / 2) return sector(from, from + size / 2) + sector(from + size / 2, to);
    const arc = (radius, way, at) => `A${radius} ${radius} 0 0 ${way} ${point(radius, at)}`;
    return `M${point(RI, from)}L${point(RO, from)}${arc(RO, 1, to)}L${point(RI, to)}${arc(RI, 0, from)}Z`;
  };
  const fill = (name, sectors) => parts[name].setAttribute("d", sectors.filter(([from, to]) => to > from).map(ends => sector(...ends)).join(""));
  for (const r of [RI, RO]) shape(svg, "circle", { r, class: "edge" });
  const scale = [0, 1, 2, 3].map(quarter => {
    shape(svg, "path", { d: `M0 ${-RO}v-5`, class: "edge", transform: `rotate(${quarter * 90})` });
    const [x, y] = [[0, -RO - 14], [RO + 10, 0], [0, RO + 14], [-RO - 10, 0]][quarter];
    return shape(svg, "text", { x, y, class: "scale", style: `text-anchor: ${["middle", "start", "middle", "end"][quarter]}` }, short(quarter * size / 4));
  });
  const hand = (name, from, out, rx, ry) => {  // it stands on the inner or outer edge; its name goes round on an ellipse
    const group = shape(svg, "g", { class: `hand ${name}` }), text = shape(svg, "text", { class: "name" }, name);
    shape(group, "path", { d: `M0 ${-RI}V${-RO}`, class: "across" });
    shape(group, "path", { d: `M0 ${-from}v${-14 * out}m0 ${4 * out}h15m-5 -4l5 4l-5 4` });
    return at => {
      const turn = at % size / size;
      group.setAttribute("transform", `rotate(${turn * 360})`);
      text.setAttribute("x", rx * Math.sin(2 * Math.PI * turn));
      text.setAttribute("y", -ry * Math.cos(2 * Math.PI * turn));
    };
  };
  const turnReader = hand("reader", RI, -1, RI - 40, RI - 24), turnWriter = hand("writer", RO, 1, RO + 40, RO + 24);
  shape(svg, "rect", { x: -58, y: 28, width: 116, height: 22, rx: 11 });
  const middle = [[-26, "waiting"], [-5, "of"], [14, "records"], [39, "lost"]].map(([y, name]) => shape(svg, "text", { y, class: name }));

  const swatched = (text, names) => {
    const made = element("span", ""), svg = shape(made, "svg", { viewBox: "0 0 22 12", class: "swatch", "aria-hidden": "true" });
    const paths = { edge: "M0 .5h22M0 11.5h22", heads: "M0 0h6v12h-6z" };
    for (const name of [...names, "edge"]) shape(svg, "path", { class: name, fill: fills[name] ?? "", d: paths[name] ?? "M0 0h22v12h-22z" });
    made.append(` ${text}`);
    return made;
  };
  const sums = table(side, "parts", ["part of the ring", "bytes"], [
    ["written, not read yet", "unread"], ["its headers, 8 bytes per record", "unread", "heads"], ["busy: not committed yet", "unread", "busy"],
    ["discarded by the program", "unread", "discarded"], ["read, until written over", "read"], ["free: never written"],
  ].map(([text, ...names]) => [swatched(text, names), ""]));
  const places = table(side, "hands", ["position, in bytes", "writer", "reader"],
    [["since the ring was made", "", ""], [`in the ring of ${count(size)}`, "", ""], ["times round", "", ""]]);
  const next = table(side, "next", ["next record at", "data", "state"], Array.from({ length: 5 }, () => ["", "", ""]));
  body.append(side);
  el.append(bar, note, body);

  let dropped = model.get("shown").lost, calm, asked, spoken = 0, speaking;
  const drawRing = () => {
    const shown = model.get("shown"), { reader, writer } = shown;
    const single = shown.every && (writer - reader) / size * ROUND >= SEEN * shown.records.length;
    const oldest = Math.max(0, writer - size);
    fill("read", [[oldest, reader]]);
    fill("unread", [[reader, writer]]);
    const records = shown.records.map(([at, , state], n) => ({ at, state, end: shown.records[n + 1]?.[0] ?? writer }));
    const header = Math.max(8, size / ROUND);  // bytes, and enough to be seen
    fill("heads", single ? records.map(({ at, end }) => [at, Math.min(end, at + header)]) : []);
    const bytes = ["busy", "discarded"].map(state => {
      const these = records.filter(record => record.state === state);
      fill(state, single ? these.map(({ at, end }) => [at, end]) : []);
      return shown.every ? count(these.reduce((sum, { at, end }) => sum + end - at, 0)) : "\u2013";
    });
    turnReader(reader);
    turnWriter(writer);
    scale.forEach((text, quarter) => {  // the writer's name has its place there while it passes
      const apart = Math.abs(writer % size / size * 4 - quarter);
      text.style.opacity = Math.min(apart, 4 - apart) < 0.16 ? 0 : "";
    });
    const lost = shown.lost === null ? "drops not counted" : `${count(shown.lost)} dropped`;
    [count(writer - reader), `of ${short(size)} waiting`, shown.waiting, lost].forEach((text, n) => put(middle[n], text));
    svg.classList.toggle("lossy", shown.lost > 0);
    if (shown.lost > dropped) {
      svg.classList.add("dropping");
      clearTimeout(calm);
      calm = setTimeout(() => svg.classList.remove("dropping"), 700);
    }
    dropped = shown.lost;
    const headers = shown.every ? count(8 * shown.records.length) : "\u2013";
    [count(writer - reader), headers, ...bytes, count(reader - oldest), count(Math.max(0, size - writer))].forEach((sum, n) => put(sums[n][1], sum));
    [writer, reader].forEach((at, n) => [at, at % size, Math.floor(at / size)].forEach((bytes, m) => put(places[m][n + 1], count(bytes))));
    next.forEach((cells, row) => {
      const [at, length, state] = shown.records[row] ?? [];
      cells.forEach((cell, n) => put(cell, state ? [count(at), count(length), STATES[state]][n] : ""));
    });
    clearTimeout(speaking);  // a screen reader hears the figures once a second at most
    speaking = setTimeout(() => { spoken = Date.now(); svg.setAttribute("aria-label", shown.alt); }, Math.max(0, spoken + 1000 - Date.now()));
  };
  const drawState = () => {
    const shown = model.get("shown"), ended = model.get("ended"), stop = model.get("stops")[model.get("pace")];
    write.hidden = !model.get("fire");
    put(write, `Write one: ${model.get("fire")}()`);
    write.disabled = ended;
    read.disabled = slider.disabled = ended || shown.held;
    slider.value = model.get("pace");
    slider.ariaValueText = stop;
    put(pace, shown.held ? "is a callback" : stop);
    const [writes, reads, done] = shown.done;
    const late = [[model.get("writes") - writes, "write"], [model.get("reads") - reads, "read"]].filter(([n]) => n > 0)
      .map(([n, word]) => `${count(n)} ${word}${n === 1 ? "" : "s"}`).concat(model.get("pace") === done ? [] : ["the slider"]);
    asked = late.length && !ended ? asked ?? Date.now() : undefined;
    const long = Date.now() - asked > 300;  // else the kernel is just about to do it
    if (asked && !long) setTimeout(drawState, 350);
    put(note, long ? `Asked for: ${late.join(", ")}. Done when the running cell is.` : shown.note);
  };
  const draw = () => { drawRing(); drawState(); };

  const set = (name, value) => { model.set(name, value); model.save_changes(); drawState(); };
  write.onclick = () => set("writes", model.get("writes") + 1);
  read.onclick = () => set("reads", model.get("reads") + 1);
  slider.oninput = () => set("pace", Number(slider.value));
  return redraw(model, draw, "shown", "ended", "fire", "pace");
}

export default { initialize, render };
