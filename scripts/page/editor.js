// The parts of CodeMirror that the studio's editor uses; scripts/bundle_page.sh makes vendor/editor.js of this.
export { EditorState } from "@codemirror/state";
export {
  EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
export { yaml } from "@codemirror/lang-yaml";
export { autocompletion, completionKeymap } from "@codemirror/autocomplete";
export { lintGutter, setDiagnostics } from "@codemirror/lint";
export { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
export { searchKeymap } from "@codemirror/search";
export { tags } from "@lezer/highlight";
