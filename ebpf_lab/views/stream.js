// The page's side of watch(b) and watch(b["output"]): draws what the traits of StreamView (stream.py) say.

function render({ model, el }) {
  group(el, "ebpf-stream", `${model.get("title")}, live`);

  const bar = element("div", "bar");
  const toggle = startStop(model);
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
  scrolls(box, `${model.get("unit")}, newest last`);
  const table = element("table", "");
  const head = table.createTHead().insertRow();
  const heads = model.get("heads");
  const align = ([, number]) => (number ? "number" : "");
  for (const column of heads) head.append(Object.assign(element("th", align(column), column[0]), { scope: "col" }));
  const body = table.createTBody();
  box.append(table);
  const note = status("div");
  el.append(bar, box, note);

  // It follows the newest row, until somebody scrolls up. While its tab is hidden it has no height, and loses its place.
  let follows = true;
  const toEnd = () => { box.scrollTop = box.scrollHeight; };
  box.onscroll = () => { if (box.clientHeight) follows = box.scrollTop + box.clientHeight >= box.scrollHeight - 4; };
  const shown = new ResizeObserver(() => { if (follows) toEnd(); });
  shown.observe(box);

  // The kernel filters too, and looks further back; but it can't while a cell runs.
  const wanted = ([, ...cells]) =>
    cells.some(cell => String(cell).toLowerCase().includes(filter.value.toLowerCase()));
  const drawLines = () => {
    if (stopping(model)) return;
    const rows = model.get("shown").rows.filter(wanted);
    const numbers = new Set(rows.map(([number]) => String(number)));
    for (const row of [...body.rows]) if (!numbers.has(row.dataset.number)) row.remove();
    rows.forEach(([number, ...cells], place) => {
      if (body.rows[place]?.dataset.number === String(number)) return;
      const row = body.insertRow(place);
      row.dataset.number = number;
      cells.forEach((cell, n) => Object.assign(row.insertCell(), { textContent: cell, className: align(heads[n]) }));
    });
    if (follows) toEnd();
  };
  const drawState = () => {
    const { total, rate, lost: gone } = model.get("shown");
    drawStartStop(model, toggle, note);
    counts.textContent = `${count(total)} ${model.get("unit")}, ${count(rate)} per second`;
    lost.textContent = gone === null ? "lost: not counted" : `lost ${count(gone)}`;
    lost.classList.toggle("some", gone > 0);
    if (filter !== document.activeElement) filter.value = model.get("filter");
  };

  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  clear.onclick = () => { body.replaceChildren(); set("clears", model.get("clears") + 1); };
  filter.oninput = () => { drawLines(); set("filter", filter.value); };

  const end = redraw(model, () => { drawLines(); drawState(); }, "shown", "running", "ended");
  return () => { end(); shown.disconnect(); };
}

export default { initialize, render };
