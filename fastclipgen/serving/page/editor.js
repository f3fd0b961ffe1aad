// The YAML editor: CodeMirror with highlighting, completion from the schema, and the server's errors at their lines.

import { suggestions } from "./completion.js";
import {
  EditorState, EditorView, HighlightStyle, autocompletion, bracketMatching, completionKeymap, defaultKeymap,
  drawSelection, highlightActiveLine, highlightActiveLineGutter, history, historyKeymap, indentWithTab, keymap,
  lineNumbers, lintGutter, searchKeymap, setDiagnostics, syntaxHighlighting, tags, yaml,
} from "./vendor/editor.js";

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--key)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.number, tags.bool, tags.keyword], color: "var(--number)" },
  { tag: [tags.separator, tags.punctuation], color: "var(--faint)" },
]);
const LOOK = EditorView.theme(
  {
    "&": { height: "100%", color: "var(--text)", fontSize: "13px" },
    ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
    ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--faint)", border: "none" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line)" },
    ".cm-cursor": { borderLeftColor: "var(--text)" },
    ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--edge)" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
    ".cm-completionInfo": { maxWidth: "22em" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  },
  { dark: true },
);

export class Editor {
  // changed(text): called when the user has edited.
  constructor(place, changed) {
    this.schema = null;
    this.changed = changed;
    // in a shadow root CodeMirror's styles are sheets of its own, which the page's content policy has nothing against
    this.root = place.attachShadow({ mode: "open" });
    this.view = new EditorView({ parent: this.root, root: this.root, state: this.stateOf("") });
  }

  get text() {
    return this.view.state.doc.toString();
  }

  // Another text, with a history of its own.
  open(text) {
    this.view.setState(this.stateOf(text));
  }

  // The same text with a part changed, which can be undone.
  change(text) {
    const now = this.text;
    let from = 0;
    while (from < now.length && now[from] === text[from]) from += 1;
    let same = 0;
    while (same < Math.min(now.length, text.length) - from && now.at(-1 - same) === text.at(-1 - same)) same += 1;
    const insert = text.slice(from, text.length - same);
    this.view.dispatch({ changes: { from, to: now.length - same, insert }, userEvent: "form" });
  }

  // The error of the text, or null.
  show(mistake) {
    const { doc } = this.view.state;
    const found = [];
    if (mistake?.line) {
      const line = doc.line(Math.min(mistake.line, doc.lines));
      const from = line.from + /^[\s-]*/.exec(line.text)[0].length;
      found.push({ from: Math.min(from, line.to), to: line.to, severity: "error", message: mistake.error });
    }
    this.view.dispatch(setDiagnostics(this.view.state, found));
  }

  stateOf(text) {
    const offered = (context) => this.offered(context);
    return EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), lintGutter(), history(), drawSelection(), bracketMatching(), highlightActiveLine(),
        highlightActiveLineGutter(), EditorView.lineWrapping, yaml(), syntaxHighlighting(COLOURS), LOOK,
        autocompletion({ override: [offered] }),
        EditorView.contentAttributes.of({ "aria-label": "YAML of the experiment" }),
        EditorView.updateListener.of((update) => {
          const own = update.transactions.some((one) => one.docChanged && !one.isUserEvent("form"));
          if (own) this.changed(this.text);
        }),
        keymap.of([
          // Ctrl-Enter starts and updates: main.js
          ...defaultKeymap.filter((key) => key.key !== "Mod-Enter"),
          ...completionKeymap, ...historyKeymap, ...searchKeymap, indentWithTab,
        ]),
      ],
    });
  }

  offered(context) {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const word = context.matchBefore(/[\w.-]*/);
    if (!this.schema || (!context.explicit && word.from === word.to)) return null;
    const options = suggestions(this.schema, context.state.doc.toString(), line.number - 1, before);
    return options.length ? { from: word.from, options, validFor: /^[\w.-]*$/ } : null;
  }
}
