// Runs in the page beside its own script, or without it: does what a reader would do, and writes what is seen then into
// the page, as JSON.
document.querySelectorAll("details").forEach((details) => { details.open = true; });
const seen = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
const rows = () => seen(".every tbody tr").map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
const view = () => ({
  rows: rows(),
  overview: seen(".overview tbody tr").map((row) => row.querySelector("a").textContent),
  bars: seen(".bars tr.variant").map((row) => [row.dataset.function, row.dataset.size, row.dataset.variant]),
  functions: seen(".function").map((part) => part.id),
  said: document.querySelector("#controls output").textContent,
});
const titles = (table) => [...document.querySelectorAll(`${table} thead th`)];
const used = {
  all: document.querySelectorAll(".every tbody tr").length,
  hidden: [...document.querySelectorAll("body *")]
    .filter((element) => !element.checkVisibility() && !["SCRIPT", "OPTION", "TITLE", "DESC"].includes(element.tagName.toUpperCase()))
    .filter((element) => !element.closest("#controls"))
    .map((element) => element.outerHTML.slice(0, 80)),
  controls: seen("#controls").length,
  buttons: seen("th button").length,
  start: view(),
};

function click(table, column) {
  const title = titles(table)[column];
  const button = title.querySelector("button");
  button.focus();
  const focused = document.activeElement === button;
  button.click();
  return { focused, sorted: titles(table).map((other) => other.ariaSort), ...view() };
}
function choose(id, value) {
  const input = document.getElementById(id);
  const property = input.type === "checkbox" ? "checked" : "value";
  const before = input[property];
  input[property] = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  const found = view();
  input[property] = before;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  return found;
}
if (used.buttons) {
  used.sorted = Object.fromEntries(titles(".every").map((title, i) => [title.textContent, [click(".every", i), click(".every", i)]]));
  used.overview = click(".overview", 2);
  used.overviewByName = click(".overview", 0);
  used.name = choose("by-name", "COUNTED");
  used.isa = choose("by-isa", "second");
  used.level = choose("by-level", "L1");
  used.ahead = choose("by-ahead", true);
  used.end = view();
}
const pre = document.createElement("pre");
pre.id = "used";
pre.textContent = JSON.stringify(used);
document.body.append(pre);
