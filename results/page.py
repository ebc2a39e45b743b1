"""The look and the behaviour of the gallery's page: one style sheet, one script, no dependency.

Holds text alone; what the page shows is put together in `results.gallery`.
"""

# Grays without a tint: a coloured ground would change how the pictures' colours are seen.
STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f4f4f4; --card: #ffffff; --ink: #1e1e1e; --soft: #666666; --line: #dedede; --well: #ececec;
  --accent: #0b6e75; --on-accent: #ffffff; --good: #0b6e75; --stopped: #7a5a00; --failed: #a3262a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #151515; --card: #1f1f1f; --ink: #ececec; --soft: #a3a3a3; --line: #343434; --well: #2a2a2a;
    --accent: #63c3c9; --on-accent: #10282a; --good: #63c3c9; --stopped: #d9b452; --failed: #f0898c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main, header, footer { max-width: 1720px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 44px; }
h1 {
  font-size: 32px; line-height: 1.2; margin: 2px 0 10px; font-weight: 650; letter-spacing: -.01em;
  overflow-wrap: anywhere;
}
h2 { font-size: 19px; margin: 44px 0 12px; font-weight: 650; }
p { margin: 0 0 8px; }
.eyebrow, .soft { color: var(--soft); }
.verdict { font-size: 18px; max-width: 70ch; margin-bottom: 22px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(205px, 1fr)); gap: 14px 28px; margin: 0; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 14px; text-align: right; white-space: nowrap; font-weight: 400; }
th:first-child { text-align: left; }
thead th { color: var(--soft); font-size: 13px; vertical-align: bottom; white-space: normal; min-width: 84px; }
tbody tr { border-top: 1px solid var(--line); }
tbody tr.best th, tbody tr.best td { font-weight: 650; }
tbody tr.baseline { color: var(--soft); }
th:first-child { position: sticky; left: 0; background: var(--card); }
td.objective, th.objective { background: var(--well); color: var(--ink); }
.figure {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px; margin: 12px 0;
}
.figure svg { display: block; width: 100%; height: auto; max-height: 520px; }
.photos { min-width: 640px; margin: 16px 0; }
.photos .row { display: grid; grid-template-columns: 180px minmax(0, 1fr); align-items: center; margin-bottom: 4px; }
.photos .row span { font-size: 13px; color: var(--soft); padding-right: 12px; }
.photos img { display: block; width: 100%; height: auto; }
.tools {
  position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center;
  padding: 12px 0; margin-bottom: 6px; background: var(--ground);
}
.states { display: flex; flex-wrap: wrap; gap: 6px; }
button, select { font: inherit; color: inherit; }
.states button, select {
  border: 1px solid var(--line); background: var(--card); border-radius: 999px; padding: 4px 14px; cursor: pointer;
}
.states button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.card[hidden] { display: none; }
.top { padding: 14px 16px 10px; }
.title { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; }
.title h3 { margin: 0; font-size: 17px; font-weight: 650; }
.place { color: var(--soft); font-weight: 400; }
.value { font-size: 17px; font-weight: 650; font-variant-numeric: tabular-nums; }
.badges { display: flex; flex-wrap: wrap; gap: 6px; min-height: 25px; margin-top: 6px; }
.badge {
  font-size: 12.5px; line-height: 1.4; border: 1px solid currentColor; border-radius: 12px; padding: 1px 9px;
  color: var(--soft); overflow-wrap: anywhere;
}
.badge.first { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.badge.front { border-color: var(--accent); color: var(--accent); font-weight: 650; }
.badge.reference { color: var(--good); overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.badge.pruned { color: var(--stopped); }
.badge.fail { color: var(--failed); }
.picture { display: grid; grid-template-columns: 62px minmax(0, 1fr); padding-right: 16px; }
.rows { display: grid; grid-template-rows: repeat(3, 1fr); align-items: center; }
.rows span { font-size: 12.5px; color: var(--soft); padding-left: 16px; }
.wide { overflow-x: auto; border-radius: 4px; }
.strip { display: block; width: 100%; padding: 0; border: 0; background: none; cursor: zoom-in; }
.strip img { display: block; width: 100%; height: auto; }
.none { padding: 36px 20px; margin: 0 16px; background: var(--well); color: var(--soft); text-align: center; }
.under { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 28px; padding: 12px 16px 14px; }
.under details { grid-column: 1 / -1; }
.curve { display: block; width: 100%; height: auto; margin-bottom: 6px; }
.curve .line { fill: none; stroke: var(--ink); stroke-width: 1.6; stroke-linejoin: round; }
.curve .gray { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
.curve circle { fill: var(--accent); }
.pairs { margin: 0; font-size: 13px; }
.pairs div { display: flex; justify-content: space-between; gap: 8px; }
.pairs dt { color: var(--soft); }
.pairs dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
details { border-top: 1px solid var(--line); margin-top: 6px; padding-top: 8px; }
details .pairs { columns: 2; column-gap: 28px; }
details .pairs div { break-inside: avoid; }
summary { cursor: pointer; font-size: 13.5px; color: var(--soft); margin-bottom: 4px; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; margin: 0 0 12px;
  white-space: pre-wrap;
}
footer { padding-top: 28px; padding-bottom: 56px; color: var(--soft); font-size: 13.5px; }
dialog {
  border: 0; padding: 0; background: transparent; max-width: 100vw; max-height: 100vh; width: 100vw; height: 100vh;
}
dialog[open] {
  display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 10px; cursor: zoom-out;
}
dialog::backdrop { background: rgba(24, 24, 24, .97); }
dialog img { width: 96vw; height: calc(100vh - 76px); object-fit: contain; }
dialog p { color: #e6e6e6; margin: 0; text-align: center; padding: 0 16px; }
@media (prefers-color-scheme: dark) { .figure svg { filter: invert(.88) hue-rotate(180deg); } }
@media (max-width: 600px) {
  .photos .row { grid-template-columns: 96px minmax(0, 1fr); }
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 26px; } h1 { font-size: 25px; } .verdict { font-size: 16.5px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 12px 18px; }
  .tools { position: static; }
  tbody th { white-space: normal; min-width: 150px; }
  th, td { padding: 7px 10px; }
  .under { grid-template-columns: 1fr; }
  .strip { width: 660px; }
  details .pairs { columns: 1; }
}
"""

SCRIPT = """
const cards = [...document.querySelectorAll('.card')];
const list = document.querySelector('.cards');
const metric = document.querySelector('#metric');
const buttons = [...document.querySelectorAll('.states button')];
const empty = document.querySelector('#empty');
const dialog = document.querySelector('dialog');

const number = (card, name) => name in card.dataset ? Number(card.dataset[name]) : NaN;

function sort() {
  const option = metric.selectedOptions[0];
  const sign = option.dataset.higher ? -1 : 1;
  const key = card => number(card, metric.value) * sign;
  // Last come those without a value and the failed ones, since what these reached cannot be had again.
  const last = card => card.dataset.state === 'FAIL' || Number.isNaN(key(card));
  list.append(...[...cards].sort((a, b) => last(a) - last(b) || (last(a) ? 0 : key(a) - key(b))));
  for (const card of cards) {
    const value = number(card, metric.value);
    const shown = card.querySelector('.value');
    if (metric.value === 'rank') {
      shown.textContent = shown.dataset.ranked;
      shown.title = shown.dataset.named;
    } else {
      shown.textContent = Number.isNaN(value) ? '–' : value.toPrecision(3);
      shown.title = option.textContent;
    }
  }
}

function filter(pressed) {
  for (const button of buttons) button.setAttribute('aria-pressed', button === pressed);
  const state = pressed.dataset.state;
  for (const card of cards) card.hidden = state !== 'ALL' && card.dataset.state !== state;
  empty.hidden = cards.some(card => !card.hidden);
}

let shown = null;
function enlarge(card) {
  const image = card.querySelector('.strip img');
  shown = card;
  dialog.querySelector('img').src = image.src;
  dialog.querySelector('img').alt = image.alt;
  dialog.querySelector('p').textContent = card.querySelector('h3').textContent.trim() + ': ' + card.dataset.caption;
  if (!dialog.open) dialog.showModal();
}
function step(by) {
  const open = [...list.querySelectorAll('.card')].filter(card => !card.hidden && card.querySelector('.strip'));
  const next = open[open.indexOf(shown) + by];
  if (next) enlarge(next);
}

metric.addEventListener('change', sort);
for (const button of buttons) button.addEventListener('click', () => filter(button));
list.addEventListener('click', event => {
  if (event.target.closest('.strip')) enlarge(event.target.closest('.card'));
});
dialog.addEventListener('click', () => dialog.close());
dialog.addEventListener('keydown', event => {
  if (event.key === 'ArrowRight') step(1);
  if (event.key === 'ArrowLeft') step(-1);
});
"""
