// The page's side of watch(map): draws what the traits of MapView (map.py) say.

const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

function render({ model, el }) {
  el.classList.add("ebpf-map");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Map, live");
  const bar = element("div", "bar");
  const toggle = element("button", "toggle");
  const note = element("span", "note");
  note.setAttribute("role", "status");
  bar.append(toggle, note);
  const body = element("div", "body");
  const chart = element("div", "chart");
  chart.setAttribute("role", "img");
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
    const running = model.get("running");
    toggle.textContent = running ? "Stop" : "Start";
    toggle.disabled = model.get("ended");
    const waiting = shown.running === running ? "" : `${running ? "Starting" : "Stopping"}, when the running cell is done ...`;
    note.textContent = waiting || shown.note || (running ? "" : "Stopped.");
    if (shown.running && !running) return;  // Stop was pressed, and a cell keeps the kernel busy
    chart.innerHTML = shown.svg;
    chart.hidden = !shown.svg;
    chart.setAttribute("aria-label", shown.alt);
    const head = element("thead", ""), rows = element("tbody", "");
    head.append(row(shown.heads, "th"));
    for (const th of head.querySelectorAll("th")) th.scope = "col";
    rows.append(...shown.rows.map(cells => row(cells, "td")));
    if (shown.more) rows.append(row([shown.more, ...shown.heads.slice(1).map(() => "")], "td"));
    if (!shown.rows.length) rows.append(row(["no entries yet", ...shown.heads.slice(1).map(() => "")], "td"));
    table.replaceChildren(head, rows);
  };
  toggle.onclick = () => { model.set("running", !model.get("running")); model.save_changes(); draw(); };
  const events = ["change:shown", "change:running", "change:ended"];
  for (const event of events) model.on(event, draw);
  draw();
  return () => { for (const event of events) model.off(event, draw); };
}

export default { render };
