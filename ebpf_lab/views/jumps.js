// The page's side of watch(program_array): draws what the traits of JumpView (jumps.py) say.

const ROW = 26, WIDE = 48;  // pixels: height of a row (jumps.css has it too), width of the lines beside them
const middle = place => (place + 0.5) * ROW;

/** A line with its arrowhead, from height y0 on the left to y1 on the right. */
function arrow(y0, y1, kind) {
  const tip = WIDE - 2, neck = WIDE - 9;
  const group = drawn("g", { class: kind });
  group.append(
    drawn("path", { d: `M0 ${y0}C${WIDE / 2} ${y0} ${WIDE / 2} ${y1} ${neck} ${y1}` }),
    drawn("polygon", { points: `${tip},${y1} ${neck},${y1 - 4} ${neck},${y1 + 4}` }),
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
  const lines = { height, viewBox: `0 0 ${WIDE} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const left = drawn("svg", lines), right = drawn("svg", lines);
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
  group(el, "ebpf-jumps", "Jump table, live");
  const bar = element("div", "bar");
  const toggle = startStop(model);
  const title = element("span", "title");
  const note = status("span");
  bar.append(toggle, title, note);
  const scroll = element("div", "scroll");
  scrolls(scroll, "Dispatcher, slots and programs");
  const drawing = element("div", "picture");
  drawing.setAttribute("role", "img");
  scroll.append(drawing);
  el.append(bar, scroll);

  const draw = () => {
    const shown = model.get("shown");
    drawStartStop(model, toggle, note);
    if (stopping(model)) return;
    title.textContent = `${shown.name}: ${shown.filled}`;
    drawing.replaceChildren(...picture(shown));
    drawing.setAttribute("aria-label", shown.alt);
  };
  return redraw(model, draw, "shown", "running", "ended");
}

export default { initialize, render };
