// The page's side of watch(map): draws what the traits of MapView (map.py) say.

function render({ model, el }) {
  group(el, "ebpf-map", "Map, live");
  const bar = element("div", "bar");
  const toggle = startStop(model);
  const note = status("span");
  bar.append(toggle, note);
  const body = element("div", "body");
  const chart = element("div", "chart"), drawing = element("div", "");
  scrolls(chart, "Chart");
  drawing.setAttribute("role", "img");
  chart.append(drawing);
  const table = element("table", "");
  body.append(chart, table);
  el.append(bar, body);

  const row = (cells, tag) => {
    const line = element("tr", "");
    line.append(...cells.map(cell => element(tag, "", cell)));
    return line;
  };
  const draw = () => {
    const shown = model.get("shown");
    drawStartStop(model, toggle, note);
    if (stopping(model)) return;
    drawing.innerHTML = shown.svg;
    drawing.firstElementChild?.setAttribute("aria-hidden", "true");  // its figures are in the label
    chart.hidden = !shown.svg;
    drawing.setAttribute("aria-label", shown.alt);
    const head = element("thead", ""), rows = element("tbody", "");
    head.append(row(shown.heads, "th"));
    for (const th of head.querySelectorAll("th")) th.scope = "col";
    rows.append(...shown.rows.map(cells => row(cells, "td")));
    if (shown.more) rows.append(row([shown.more, ...shown.heads.slice(1).map(() => "")], "td"));
    if (!shown.rows.length) rows.append(row(["no entries yet", ...shown.heads.slice(1).map(() => "")], "td"));
    table.replaceChildren(head, rows);
  };
  return redraw(model, draw, "shown", "running", "ended");
}

export default { initialize, render };
