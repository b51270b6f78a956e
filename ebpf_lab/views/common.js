// What the page's sides of several views share; it stands before each one's own JavaScript (view.py).

const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
const drawn = (tag, attributes) => {  // of SVG
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const count = number => number.toLocaleString("en");
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };  // a screen reader hears each change

/** Makes the page's part a group, which is called by that name, and in which keys do what they do in any page. */
function group(el, className, label) {
  el.classList.add("ebpf-view", className);
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", label);
  // JupyterLab would take a slider's arrow keys, and Enter on a button.
  el.addEventListener("keydown", event => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) event.stopPropagation(); });
}

/** Makes a part that scrolls one that Tab reaches, and that is called by that name. */
function scrolls(box, label) {
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
}

/** A line that a screen reader reads out when it changes. */
function status(tag) {
  const made = element(tag, "note");
  made.setAttribute("role", "status");
  return made;
}

/** The button of a view that has the traits running and ended. */
function startStop(model) {
  const toggle = element("button", "toggle");
  toggle.onclick = () => { model.set("running", !model.get("running")); model.save_changes(); };
  return toggle;
}

/** Draws that button, and says in ``note`` what there is to say. */
function drawStartStop(model, toggle, note) {
  const shown = model.get("shown"), running = model.get("running");
  put(toggle, model.get("ended") ? "Ended" : running ? "Stop" : "Start");
  toggle.disabled = model.get("ended");
  const waiting = model.get("ended") || shown.running === running ? "" : `${running ? "Starting" : "Stopping"}, when the running cell is done ...`;
  put(note, waiting || shown.note || (running ? "" : "Stopped."));
}

/** Stop was pressed, and a cell keeps the kernel busy: what still comes is not drawn. */
const stopping = model => model.get("shown").running && !model.get("running");

/** Draw, now and whenever one of the traits changes; -> a function that ends it, for render() to return. */
function redraw(model, draw, ...traits) {
  const events = traits.map(trait => `change:${trait}`);
  for (const event of events) model.on(event, draw);
  draw();
  return () => { for (const event of events) model.off(event, draw); };
}

/** Ends a live view whose kernel was restarted or has died, and so can't say it. Only JupyterLab tells of its kernels. */
function initialize({ model }) {
  const session = model.widget_manager.context?.sessionContext;
  const end = () => {
    const note = "Ended: the notebook's kernel was restarted or has ended. Run the cells again, from the first one.";
    model.set({ ended: true, running: false, shown: { ...model.get("shown"), running: false, note } });
  };
  const check = (_, status) => { if (["restarting", "autorestarting", "terminating", "dead"].includes(status)) end(); };
  session?.statusChanged.connect(check);
  session?.kernelChanged.connect(end);
  return () => { session?.statusChanged.disconnect(check); session?.kernelChanged.disconnect(end); };
}

