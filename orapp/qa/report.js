"use strict";
// Sorts the table of runs by a column; `#sort=dice_min` or `#sort=-dice_min` does it on opening.
const table = document.getElementById("cases");
function sortBy(key, descending) {
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.dataset.key === key);
  if (column < 0) return;
  const body = table.tBodies[0];
  const value = (row) => row.cells[column].dataset.value;
  const rows = [...body.rows].sort((one, other) => {
    const a = value(one), b = value(other);
    if (a === "" || b === "") return (a === "") - (b === "");  // nothing measured: always last
    const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
    return descending ? -order : order;
  });
  body.append(...rows);
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
}
if (table) {
  for (const head of table.tHead.rows[0].cells) {
    head.querySelector("button").addEventListener("click", () =>
      sortBy(head.dataset.key, head.getAttribute("aria-sort") === "ascending"));
  }
  const asked = /^#sort=(-?)([a-z0-9_]+)$/.exec(location.hash);
  if (asked) sortBy(asked[2], asked[1] === "-");
}
