// Gives notebook cells that start with %%bpf the colours of C; JupyterLab would take them for Python.
// Breaks the lines of outputs between words; JupyterLab would break an error's in the middle of a word.
// JupyterLab loads this file as it is. What a bundler would write around it, init() and get(), stands at the end.
(() => {
  const C = "text/x-csrc";
  const WRAP = ".jp-RenderedText.jp-OutputArea-output pre { word-break: normal; overflow-wrap: anywhere; }";
  let modules;  // JupyterLab's own: {name: {version: {get}}}
  const load = async name => (await Object.values(modules[name])[0].get())();

  /** Keep a cell in the right language while it is typed in. */
  function follow(cell) {
    if (cell.type !== "code") return;
    let own;  // what the notebook makes it: its kernel's language, once that is known
    const choose = () => {
      if (cell.mimeType !== C) own = cell.mimeType;
      const right = /^%%bpf\s/.test(cell.sharedModel.getSource()) ? C : own;
      if (cell.mimeType !== right) cell.mimeType = right;
    };
    cell.contentChanged.connect(choose);
    cell.mimeTypeChanged.connect(choose);
    choose();
  }

  async function activate(app, notebooks, languages) {
    document.head.append(Object.assign(document.createElement("style"), { textContent: WRAP }));
    // An editor takes a language when its parser has come: here already, so that the last one asked for wins.
    await Promise.all([C, "text/x-python", "text/x-ipython"].map(type => languages.getLanguage(type)));
    const open = async ({ content, context }) => {
      await context.ready;
      const { cells } = content.model;
      for (const cell of cells) follow(cell);
      cells.changed.connect((_, { newValues }) => newValues.forEach(follow));
    };
    notebooks.forEach(open);
    notebooks.widgetAdded.connect((_, panel) => open(panel));
  }

  async function plugin() {
    const { INotebookTracker } = await load("@jupyterlab/notebook");
    const { IEditorLanguageRegistry } = await load("@jupyterlab/codemirror");
    return { id: "ebpf-lab:highlight", autoStart: true, requires: [INotebookTracker, IEditorLanguageRegistry], activate };
  }

  (window._JUPYTERLAB ??= {})["ebpf-lab"] = {
    init: scope => { modules = scope; },
    get: async () => { const made = await plugin(); return () => ({ __esModule: true, default: made }); },
  };
})();
