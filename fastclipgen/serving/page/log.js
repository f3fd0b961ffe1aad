// What happened, the newest first.

const MOST = 200;

export class Log {
  constructor(root) {
    this.root = root;
  }

  // kind: "" or "error"; files: [{name, url}] that are offered for download.
  say(text, kind = "", files = []) {
    const line = document.createElement("li");
    line.className = kind;
    const time = line.appendChild(document.createElement("time"));
    time.textContent = new Date().toLocaleTimeString();
    line.append(text);
    for (const { name, url } of files) {
      const link = document.createElement("a");
      Object.assign(link, { href: url, download: name, textContent: name });
      line.append(" ", link);
    }
    this.root.prepend(line);
    while (this.root.children.length > MOST) this.root.lastChild.remove();
  }
}
