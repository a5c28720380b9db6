/** The rows and headings of the table of runs. Only the rows of the page shown exist as elements. */

import { runLink } from "./app.js";
import { element } from "./dom.js";
import { plural, shortText, UNKNOWN } from "./format.js";
import { groupMean, groupedAs } from "./groups.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./groups.js").RunGroup} RunGroup */

const CELL_TEXT = 40;
const CELL_TITLE = 300;

/**
 * The columns that a state shows, those that say nothing of a group left out.
 * @param {App} app
 * @param {ViewState} state
 * @returns {TableColumn[]}
 */
export function shownColumns(app, state) {
  const chosen = state.columns === null ? app.table.columns.filter((column) => column.shown) : app.table.columns.filter((column) => state.columns?.includes(column.id));
  return state.grouped ? chosen.filter((column) => column.group === "seed" || groupedAs(column) !== "none") : chosen;
}

/**
 * @param {App} app
 * @param {TableColumn[]} columns
 * @param {boolean} grouped
 * @param {HTMLInputElement} tickAll
 * @returns {HTMLTableRowElement}
 */
export function headingRow(app, columns, grouped, tickAll) {
  const row = element("tr", {}, element("th", { scope: "col", class: "tick" }, tickAll));
  row.append(sortHeading(app, "name", grouped ? "Group" : "Run", null, false));
  if (grouped) {
    row.append(sortHeading(app, "n", "n", null, true));
  }
  for (const column of columns) {
    row.append(sortHeading(app, column.id, column.title, column.unit, column.numeric));
  }
  return row;
}

/**
 * @param {App} app
 * @param {string} id
 * @param {string} title
 * @param {string | null} unit
 * @param {boolean} numeric
 */
function sortHeading(app, id, title, unit, numeric) {
  const label = element("bdi", {}, shortText(title, CELL_TEXT));
  const button = element("button", { type: "button", class: "sort", title: title.length > CELL_TEXT ? shortText(title, CELL_TITLE) : false }, label);
  if (unit !== null) {
    button.append(element("span", { class: "unit" }, ` ${shortText(unit, 20)}`));
  }
  const names = (id === "name" ? "name" : "") + (numeric ? " number" : "");
  const heading = element("th", { scope: "col", class: names.trim() || false, "data-column": id }, button);
  button.addEventListener("click", () => {
    const { sort, descending } = app.store.state;
    // A third click gives the order of the data again.
    const change = sort !== id ? { sort: id, descending: false } : descending ? { sort: "", descending: false } : { descending: true };
    app.store.update({ ...change, page: 1 }, true);
  });
  return heading;
}

/**
 * Marks the heading that the rows are sorted by.
 * @param {HTMLTableRowElement} row
 * @param {ViewState} state
 */
export function markSortedHeading(row, state) {
  for (const heading of row.querySelectorAll("th[data-column]")) {
    const sorted = heading.getAttribute("data-column") === state.sort;
    heading.setAttribute("aria-sort", sorted ? (state.descending ? "descending" : "ascending") : "none");
  }
}

/**
 * @param {string} reference
 * @param {string} label
 * @param {boolean} ticked
 */
function tickCell(reference, label, ticked) {
  const box = element("input", { type: "checkbox", "data-tick": reference, "aria-label": `Compare ${label}` });
  box.checked = ticked;
  return element("td", { class: "tick" }, box);
}

/**
 * @param {App} app
 * @param {number} run
 * @param {TableColumn[]} columns
 * @param {Set<string>} ticks
 * @param {boolean} inGroup
 * @returns {HTMLTableRowElement}
 */
export function runRow(app, run, columns, ticks, inGroup) {
  const reference = app.table.reference(run);
  const row = element("tr", { class: inGroup ? "member" : false });
  const name = element("th", { scope: "row", class: "name" }, runLink(app, run));
  if (app.table.isMissing(run)) {
    name.append(" ", element("span", { class: "badge" }, "data not here"));
  }
  row.append(tickCell(reference, app.table.label(run), ticks.has(reference)), name);
  if (inGroup) {
    row.append(element("td", { class: "number" }));
  }
  for (const column of columns) {
    row.append(valueCell(column, run));
  }
  return row;
}

/**
 * @param {TableColumn} column
 * @param {number} run
 */
function valueCell(column, run) {
  const cell = document.createElement("td");
  const text = column.text(run);
  if (text === UNKNOWN) {
    cell.className = column.numeric ? "number unknown" : "unknown";
    cell.textContent = UNKNOWN;
    return cell;
  }
  if (column.numeric) {
    cell.className = "number";
    cell.textContent = text;
  } else {
    const isolated = document.createElement("bdi");
    isolated.textContent = shortText(text, CELL_TEXT);
    cell.className = column.kind;
    cell.append(isolated);
  }
  const exact = column.exact(run) ?? "";
  if (exact !== text || text.length > CELL_TEXT) {
    cell.title = shortText(exact, CELL_TITLE);
  }
  return cell;
}

/**
 * @param {App} app
 * @param {RunGroup} group
 * @param {TableColumn[]} columns
 * @param {Set<string>} ticks
 * @param {boolean} open
 * @returns {HTMLTableRowElement}
 */
export function groupRow(app, group, columns, ticks, open) {
  const first = group.runs[0];
  const label = app.groups.labelOf(group);
  const toggle = element("button", { type: "button", class: "expand", "aria-expanded": String(open), "data-group": group.reference }, element("bdi", {}, label));
  toggle.setAttribute("aria-label", `${label}: ${open ? "hide" : "show"} ${plural(group.runs.length, "run")}`);
  const row = element("tr", { class: "group" }, tickCell(group.reference, `the group ${label}`, ticks.has(group.reference)));
  row.append(element("th", { scope: "row", class: "name" }, toggle), element("td", { class: "number" }, String(group.runs.length)));
  for (const column of columns) {
    row.append(groupedAs(column) === "same" ? valueCell(column, first) : groupedAs(column) === "mean" ? meanCell(group, column) : seedsCell(group, column));
  }
  return row;
}

/**
 * @param {RunGroup} group
 * @param {TableColumn} column
 */
function meanCell(group, column) {
  const { n, mean, half } = groupMean(group, column);
  if (n === 0) {
    return element("td", { class: "number unknown" }, UNKNOWN);
  }
  const interval = element("span", { class: "interval" }, half === null ? "± –" : `± ${column.formatMean(half)}`);
  const cell = element("td", { class: "number mean" }, column.formatMean(mean), " ", interval);
  if (n < group.runs.length) {
    cell.prepend(element("span", { class: "soft part" }, `n ${n}`), " ");
    cell.title = `${n} of ${group.runs.length} runs have a finite number here.`;
  } else if (half === null) {
    cell.title = "The mean of one run has no interval.";
  }
  return cell;
}

/**
 * @param {RunGroup} group
 * @param {TableColumn} column
 */
function seedsCell(group, column) {
  const different = new Set(group.runs.map((run) => column.exact(run)));
  return different.size === 1 ? valueCell(column, group.runs[0]) : element("td", { class: column.numeric ? "number soft" : "soft" }, `${different.size} different`);
}
