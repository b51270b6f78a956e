// The page's side of a VerifierError: steps through the path that StepsView (steps.py) holds.

function render({ model, el }) {
  const { source, steps, omitted, verdict, log } = model.get("shown");
  const last = steps.length - 1;
  let at = last;

  group(el, "ebpf-steps", "The verifier's log");
  const fold = element("details", "");
  const instructions = `${count(steps.length + omitted)} instructions`;
  fold.append(element("summary", "", `The verifier's log, step by step (${instructions})`));

  const bar = element("div", "bar");
  const button = (text, label, to) => {
    const made = element("button", "", text);
    made.setAttribute("aria-label", label);
    made.onclick = () => go(to());
    bar.append(made);
    return made;
  };
  const first = button("|<", "First step", () => 0);
  const back = button("< Back", "One step back", () => at - 1);
  const next = button("Next >", "One step on", () => at + 1);
  const end = button(">|", "Last step", () => last);
  const slide = Object.assign(element("input", ""), { type: "range", min: 0, max: last });
  slide.setAttribute("aria-label", "Step");
  slide.oninput = () => go(Number(slide.value));
  const place = element("span", "place");
  place.setAttribute("role", "status");
  bar.append(slide, place);

  const row = (number, text) => {
    const made = element("div", "row");
    made.append(element("span", "number", number), element("span", "", text));
    return made;
  };
  const pane = (className, label) => {
    const made = element("div", `pane ${className}`);
    scrolls(made, label);
    return made;
  };
  const text = pane("source", "Your program"), code = pane("code", "What the verifier followed");
  const lines = source.map((line, n) => row(n + 1, line));
  const rows = steps.map(([instruction, disassembly], n) => {
    const made = row(instruction, disassembly);
    made.onclick = () => go(n);
    return made;
  });
  text.append(...lines);
  code.append(...rows);
  rows[last].classList.add("rejected");
  lines[steps[last][2] - 1]?.classList.add("rejected");
  const panes = element("div", "panes");
  panes.append(text, code);

  const said = element("div", "verdict");
  const table = element("table", "");
  const all = element("details", "");
  all.append(element("summary", "", "Full log"), element("pre", "", log));
  fold.append(bar, panes, said, table, all);
  el.append(fold);

  const show = (box, made) => {  // scrolls the pane only, never the page
    if (made) box.scrollTop = made.offsetTop - box.offsetTop - box.clientHeight / 2;
  };
  const go = to => {
    at = Math.max(0, Math.min(last, to));
    const [, , line, known] = steps[at];
    for (const made of [...lines, ...rows]) made.classList.remove("now");
    rows[at].classList.add("now");
    lines[line - 1]?.classList.add("now");
    show(text, lines[line - 1]);
    show(code, rows[at]);
    slide.value = at;
    first.disabled = back.disabled = at === 0;
    next.disabled = end.disabled = at === last;
    place.textContent = `step ${count(at + 1 + omitted)} of ${count(last + 1 + omitted)}, `
      + (line ? `line ${line}` : "line not known");
    said.textContent = at === last ? verdict : "";
    const cells = known.map(([name, value, changed]) => {
      const made = element("tr", changed ? "changed" : "");
      made.append(Object.assign(element("th", "", name), { scope: "row" }), element("td", "", value));
      return made;
    });
    table.replaceChildren(element("caption", "", at === last ? "State before the rejected instruction:" : "State after this step (new in bold):"), ...cells);
  };
  fold.ontoggle = () => go(at);
  fold.onkeydown = event => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined || event.target === slide || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();  // JupyterLab moves between cells with these keys
    go(to);
  };
  go(at);
}

export default { render };
