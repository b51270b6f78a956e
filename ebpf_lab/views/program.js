// The page's side of explain(b, name): three columns, and what belongs to one line of C marked in all of them.

const HINT = "Point at a line, or go through a column with Tab and the arrow keys: what belongs to the same line of C is marked.";

const some = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function render({ model, el }) {
  const { name, facts, columns } = model.get("shown");
  group(el, "ebpf-program", `What the kernel made of ${name}`);

  const list = element("dl", "facts");
  for (const [title, value] of facts) {
    const fact = element("div", "");
    fact.append(element("dt", "", title), element("dd", "", value));
    list.append(fact);
  }
  const body = element("div", "columns");
  const note = status("div");
  put(note, HINT);
  el.append(list, body, note);

  const used = [...new Set(columns.flatMap(({ rows }, n) => n ? rows.map(([line]) => line) : []))].filter(Boolean).sort((a, b) => a - b);
  const hues = new Map(used.map((line, n) => [line, Math.round(n * 137.5) % 360]));  // neighbours far apart

  const row = (isC, [line, place, text, comment]) => {
    const tr = element("tr", "");
    tr.tabIndex = -1;
    tr.dataset.line = line;
    if (hues.has(line)) { tr.classList.add("used"); tr.style.setProperty("--hue", hues.get(line)); }
    tr.append(element("td", "line", line || "–"));
    if (!isC) tr.append(element("td", "place", place));
    const cell = element("td", isC ? "c" : "code", text);
    if (comment) cell.append(element("div", "comment", comment));
    tr.append(cell);
    return tr;
  };
  const boxes = columns.map(({ title, rows, note: said }, n) => {
    const column = element("section", "column");
    const box = element("div", "box");
    const table = element("table", "");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", title);
    const head = table.createTHead().insertRow();
    for (const text of [["line"], ["line", "no."], ["line", "at"]][n].concat(title)) head.append(Object.assign(element("th", "", text), { scope: "col" }));
    table.createTBody().append(...rows.map(cells => row(n === 0, cells)));
    box.append(said ? element("p", "withheld", said) : table);
    column.append(box);
    body.append(column);
    const first = box.querySelector("tr.used");
    if (first) first.tabIndex = 0;  // one stop for Tab in each column, as in any grid
    return box;
  });

  // Scrolls only the box: scrollIntoView() would move the whole notebook.
  const reveal = (box, tr) => {
    const top = tr.offsetTop - box.querySelector("thead").offsetHeight;
    if (top < box.scrollTop || tr.offsetTop + tr.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 4;
  };
  const mark = (line, from) => {
    const counts = boxes.map(box => {
      const partners = [...box.querySelectorAll("tbody tr")].filter(tr => tr.classList.toggle("on", line > 0 && tr.dataset.line === String(line)));
      if (partners.length && box !== from) reveal(box, partners[0]);
      return partners.length;
    });
    note.textContent = line > 0 ? `Line ${line}: ${some(counts[1], "instruction")} of bytecode, ${counts[2]} of machine code.` : HINT;
  };
  const lineOf = node => { const tr = node?.closest?.("tbody tr"); return tr && el.contains(tr) ? Number(tr.dataset.line) : 0; };
  for (const box of boxes) {
    box.onmouseover = event => mark(lineOf(event.target), box);
    box.onmouseleave = () => mark(lineOf(document.activeElement), null);
    box.addEventListener("focusin", event => {
      const tr = event.target.closest("tbody tr");
      if (!tr) return;
      for (const other of box.querySelectorAll("tr[tabindex='0']")) other.tabIndex = -1;
      tr.tabIndex = 0;
      mark(lineOf(tr), box);
    });
    box.onkeydown = event => {
      const tr = event.target.closest("tbody tr");
      const next = { ArrowDown: tr?.nextElementSibling, ArrowUp: tr?.previousElementSibling }[event.key];
      if (!next) return;
      event.preventDefault();
      event.stopPropagation();  // JupyterLab would go to another cell
      next.focus({ preventScroll: true });
      reveal(box, next);
    };
  }
  requestAnimationFrame(() => { const first = boxes[0].querySelector("tr.used"); if (first) reveal(boxes[0], first); });
}

export default { render };
