// The page's side of watch(program_array): draws what the traits of JumpView (jumps.py) say.

const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
const SVG = "http://www.w3.org/2000/svg";
const draws = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const ROW = 26, WIDE = 48;  // pixels: height of a row (jumps.css has it too), width of the lines beside them
const middle = place => (place + 0.5) * ROW;

/** A line with its arrowhead, from height y0 on the left to y1 on the right. */
function arrow(y0, y1, kind) {
  const tip = WIDE - 2, neck = WIDE - 9;
  const group = draws("g", { class: kind });
  group.append(
    draws("path", { d: `M0 ${y0}C${WIDE / 2} ${y0} ${WIDE / 2} ${y1} ${neck} ${y1}` }),
    draws("polygon", { points: `${tip},${y1} ${neck},${y1 - 4} ${neck},${y1 + 4}` }),
  );
  return group;
}

/** Heights of the boxes on the right: each in the middle of its slots, none over another. */
function places(rows, count) {
  const mean = [...Array(count).keys()].map(target => {
    const own = rows.flatMap((row, place) => (row[5] === target ? [place] : []));
    return own.reduce((sum, place) => sum + place, 0) / own.length;
  });
  const order = [...mean.keys()].sort((a, b) => mean[a] - mean[b]);
  order.forEach((target, n) => { if (n) mean[target] = Math.max(mean[target], mean[order[n - 1]] + 1); });
  let limit = rows.length - 1;
  for (const target of order.reverse()) limit = (mean[target] = Math.min(mean[target], limit)) - 1;
  return mean;
}

function picture(shown) {
  const { rows, targets, dispatchers, empty } = shown;
  const line = (cells, className) => {
    const row = element("div", `row ${className}`);
    row.append(...cells.map(cell => Object.assign(element("span", "", cell), { title: cell })));
    return row;
  };
  const box = (place, className, ...texts) => {
    const node = element("div", `box ${className}`);
    node.style.top = `${middle(place + 1)}px`;
    node.append(...texts);
    return node;
  };
  const table = element("div", shown.heads[1] ? "table" : "table nameless");
  table.append(line([...shown.heads, ""], "heads"));
  for (const [slot, name, count, change, lit] of rows)
    table.append(line([slot, name, count, change, lit ? "● last jump" : ""], lit ? "lit" : ""));
  if (shown.hint) table.append(line([shown.hint], "hint"));
  if (shown.more) table.append(line([shown.more], "hint"));
  const [, label, count, change, missed] = empty;
  table.append(line(["", label, count, change, missed ? "● last miss" : ""], missed ? "empty lit" : "empty"));

  const last = rows.length + Boolean(shown.hint) + Boolean(shown.more);
  const height = Math.max(last + 2, 6) * ROW;  // room for a few slots more: what is below stays where it is
  const lines = { height, viewBox: `0 0 ${WIDE} ${height}`, preserveAspectRatio: "none" };
  const left = draws("svg", lines), right = draws("svg", lines);
  const centre = last / 2, boxes = places(rows, targets.length);
  const kind = lit => (lit ? "lit" : "");
  const order = [...rows.keys()].sort((a, b) => rows[a][4] - rows[b][4]);  // lit lines lie over the others
  for (const n of order) {
    left.append(arrow(middle(centre + 1), middle(n + 1), kind(rows[n][4])));
    right.append(arrow(middle(n + 1), middle(boxes[rows[n][5]] + 1), kind(rows[n][4])));
  }
  left.append(arrow(middle(centre + 1), middle(last + 1), `empty ${kind(missed)}`));

  const from = element("div", "side"), to = element("div", "side");
  const names = dispatchers.map(name => {  // may be raw_tracepoint__sys_enter: broken after an underscore
    const node = element("div", "name");
    node.append(...name.split(/(?<=_)(?!_)/).flatMap(part => [part, element("wbr", "")]));
    return node;
  });
  const role = { 0: "no function jumps through it", 1: "the dispatcher" }[dispatchers.length] ?? "the dispatchers";
  from.append(box(centre, "", ...names, element("div", "role", role)));
  targets.forEach((name, n) => {
    const lit = rows.some(row => row[4] && row[5] === n);
    to.append(box(boxes[n], kind(lit), Object.assign(element("div", "name", name), { title: name })));
  });
  to.append(box(last, "none", "the call fails, the dispatcher goes on"));
  return [from, left, table, right, to];
}

function render({ model, el }) {
  el.classList.add("ebpf-jumps");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Jump table, live");
  const bar = element("div", "bar");
  const toggle = element("button", "toggle");
  const title = element("span", "title");
  const note = element("span", "note");
  note.setAttribute("role", "status");
  bar.append(toggle, title, note);
  const scroll = element("div", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("aria-label", "Dispatcher, slots and programs");
  const drawing = element("div", "picture");
  drawing.setAttribute("role", "img");
  scroll.append(drawing);
  el.append(bar, scroll);

  const draw = () => {
    const shown = model.get("shown");
    const running = model.get("running");
    toggle.textContent = running ? "Stop" : "Start";
    toggle.disabled = model.get("ended");
    const waiting = shown.running === running ? "" : `${running ? "Starting" : "Stopping"}, when the running cell is done ...`;
    const said = waiting || shown.note || (running ? "" : "Stopped.");
    if (note.textContent !== said) note.textContent = said;
    if (shown.running && !running) return;  // Stop was pressed, and a cell keeps the kernel busy
    title.textContent = `${shown.name}: ${shown.filled}`;
    drawing.replaceChildren(...picture(shown));
    drawing.setAttribute("aria-label", shown.alt);
  };
  toggle.onclick = () => { model.set("running", !model.get("running")); model.save_changes(); draw(); };
  const events = ["change:shown", "change:running", "change:ended"];
  for (const event of events) model.on(event, draw);
  draw();
  return () => { for (const event of events) model.off(event, draw); };
}

export default { render };
