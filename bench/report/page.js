// What the page gains by a script: a click on a column's title sorts by it, and rows are chosen by name, ISA, level and
// what is ahead. Everything is there without it. The page allows this text alone, by its hash.
"use strict";

// What a cell is sorted by: "50,257 classes" is more than "128 classes".
const valueOf = (cell) => cell.querySelector("data")?.value ?? cell.textContent.trim().replace(/(\d),(?=\d)/g, "$1");

// Numbers by their value, the rest by its letters; what has no value comes last, whichever way.
function compare(one, other, sign) {
  if ((one === "–") !== (other === "–")) return one === "–" ? 1 : -1;
  const difference = Number(one) - Number(other);
  return sign * (Number.isNaN(difference) ? one.localeCompare(other, "en", { numeric: true }) : difference);
}

function sortBy(title) {
  const column = [...title.parentElement.children].indexOf(title);
  const sign = title.ariaSort === "ascending" ? -1 : 1;
  for (const other of title.parentElement.children) other.removeAttribute("aria-sort");
  title.ariaSort = sign > 0 ? "ascending" : "descending";
  const body = title.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
  rows.sort(([one], [other]) => compare(one, other, sign));
  body.append(...rows.map(([, row]) => row));
}

for (const title of document.querySelectorAll("table.sorted thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...title.childNodes);
  button.addEventListener("click", () => sortBy(title));
  title.append(button);
}

const controls = document.getElementById("controls");
const [name, isa, level, ahead] = ["name", "isa", "level", "ahead"].map((id) => document.getElementById(`by-${id}`));

// An element is chosen where each of the properties that it has is the wanted one. Of no ISA (a peer) is of every ISA.
function chosen({ function: function_, isa: of, level: at, times }) {
  return (
    function_.toLowerCase().includes(name.value.trim().toLowerCase()) &&
    (!isa.value || !of || of === isa.value) &&
    (!level.value || !at || at === level.value) &&
    (!ahead.checked || (times !== undefined && times !== "" && Number(times) < 1))
  );
}

function choose() {
  let shown = 0;
  for (const row of document.querySelectorAll("tr[data-function]")) row.hidden = !chosen(row.dataset);
  for (const row of document.querySelectorAll(".every tbody tr")) shown += !row.hidden;
  // What has no row left is not worth its title.
  for (const body of document.querySelectorAll(".bars tbody")) body.hidden = !body.querySelector("tr.variant:not([hidden])");
  for (const part of document.querySelectorAll(".function")) part.hidden = !part.querySelector("tr.variant:not([hidden])");
  controls.querySelector("output").textContent = `${shown} of ${document.querySelectorAll(".every tbody tr").length} rows`;
}

controls.hidden = false;
controls.addEventListener("input", choose);
choose();
