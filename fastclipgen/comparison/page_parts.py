"""How the page of a comparison looks and what it does when it is clicked: nothing that depends on the comparison."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1d20; --soft: #63656d; --line: #d9dae0; --paper: #fff; --card: #f5f6f8;
        --good: #17763a; --bad: #b3261e; --link: #1a56b8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9eaee; --soft: #a0a3ad; --line: #3a3c44; --paper: #17181b; --card: #212327; --good: #63cf8b;
          --bad: #ff8a80; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 100rem; background: var(--paper); color: var(--ink);
       font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
.scroll table { overflow-wrap: normal; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; background: var(--card); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
thead th:first-child { background: var(--card); }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.row { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 45%), 1fr)); }
figure { margin: 0; background: var(--card); border-radius: 8px; overflow: hidden; }
figure img, .none { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; }
.none { display: grid; place-items: center; color: var(--soft); }
figcaption { padding: .4rem .6rem .55rem; font-size: .85rem; }
figcaption b { display: block; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
details td { white-space: normal; text-align: left; }
details td:first-child { color: var(--soft); width: 14rem; position: static; }
pre { overflow-x: auto; font-size: .8rem; background: var(--card); padding: .6rem; border-radius: 6px; }
"""

SCRIPT = """
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const place = [...head.parentElement.children].indexOf(head);
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => row.cells[place].dataset.value;
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what is not known comes last
    const numbers = [Number(x), Number(y)];
    const known = numbers.every(Number.isFinite) ? numbers[0] - numbers[1] : x.localeCompare(y);
    return up ? known : -known;
  };
  body.append(...[...body.rows].sort(order));
}));
"""
