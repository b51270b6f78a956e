// The page's side of watch(b) and watch(b["output"]): draws what the traits of StreamView (stream.py) say.

const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
const count = number => number.toLocaleString("en");

function render({ model, el }) {
  el.classList.add("ebpf-stream");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", `${model.get("title")}, live`);

  const bar = element("div", "bar");
  const toggle = element("button", "toggle");
  const clear = element("button", "clear", "Clear");
  const label = element("label", "filter", "Filter ");
  const filter = element("input", "");
  filter.type = "search";
  filter.placeholder = "name, number or text";
  label.append(filter);
  const counts = element("span", "counts");
  const lost = element("span", "lost");
  bar.append(toggle, clear, label, counts, lost);

  const box = element("div", "box");
  box.tabIndex = 0;
  box.setAttribute("aria-label", `${model.get("unit")}, newest last`);
  const table = element("table", "");
  const head = table.createTHead().insertRow();
  const heads = model.get("heads");
  const align = ([, number]) => (number ? "number" : "");
  for (const column of heads) head.append(Object.assign(element("th", align(column), column[0]), { scope: "col" }));
  const body = table.createTBody();
  box.append(table);
  const note = element("div", "note");
  note.setAttribute("role", "status");
  el.append(bar, box, note);

  // The kernel filters too, and looks further back; but it can't while a cell runs.
  const wanted = ([, ...cells]) =>
    cells.some(cell => String(cell).toLowerCase().includes(filter.value.toLowerCase()));
  const drawLines = () => {
    const shown = model.get("shown");
    if (shown.running && !model.get("running")) return;  // Stop was pressed, and a cell keeps the kernel busy
    const rows = shown.rows.filter(wanted);
    const numbers = new Set(rows.map(([number]) => String(number)));
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
    for (const row of [...body.rows]) if (!numbers.has(row.dataset.number)) row.remove();
    rows.forEach(([number, ...cells], place) => {
      if (body.rows[place]?.dataset.number === String(number)) return;
      const row = body.insertRow(place);
      row.dataset.number = number;
      cells.forEach((cell, n) => Object.assign(row.insertCell(), { textContent: cell, className: align(heads[n]) }));
    });
    if (atEnd) box.scrollTop = box.scrollHeight;  // a reader who scrolled up stays there
  };
  const drawState = () => {
    const { total, rate, lost: gone, note: said, running: runs } = model.get("shown");
    const running = model.get("running");
    const waiting = runs === running ? "" : `${running ? "Starting" : "Stopping"}, when the running cell is done ...`;
    toggle.textContent = running ? "Stop" : "Start";
    toggle.disabled = model.get("ended");
    counts.textContent = `${count(total)} ${model.get("unit")}, ${count(rate)} a second`;
    lost.textContent = gone === null ? "lost: not counted" : `lost ${count(gone)}`;
    lost.classList.toggle("some", gone > 0);
    note.textContent = waiting || said || (running ? "" : "Stopped.");
    if (filter !== document.activeElement) filter.value = model.get("filter");
  };
  const draw = () => { drawLines(); drawState(); };

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  toggle.onclick = () => set("running", !model.get("running"));
  clear.onclick = () => { body.replaceChildren(); set("clears", model.get("clears") + 1); };
  filter.oninput = () => { drawLines(); set("filter", filter.value); };

  model.on("change:shown", draw);
  model.on("change:running", drawState);
  model.on("change:ended", drawState);
  draw();
  box.scrollTop = box.scrollHeight;
  return () => {
    model.off("change:shown", draw);
    model.off("change:running", drawState);
    model.off("change:ended", drawState);
  };
}

export default { render };
