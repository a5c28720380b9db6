/** The view of all runs. */

import { element, labelledCheckbox, scrollRegion, announce } from "./dom.js";
import { formatCount, plural } from "./format.js";
import { sortGroups } from "./groups.js";
import { createChips, createColumnChoice, createPager, createPanel, createRanges, createSearch, createTickBar } from "./runs_tools.js";
import { groupRow, headingRow, markSortedHeading, runRow, shownColumns } from "./table.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./groups.js").RunGroup} RunGroup */
/** @typedef {{ group: RunGroup, open: boolean } | { run: number, inGroup: boolean }} TableRow */

/** @typedef {{ body: HTMLElement, heading: HTMLTableRowElement, tickAll: HTMLInputElement, references: string[], timer: number }} TablePart `references` of all rows, those that are not yet made too */

const PAGE_SIZE = 100;
/** At most so many pixels, so that enough rows are made at once to fill a window. */
const ROW_HEIGHT = 24;
const ROWS_AT_ONCE = 200;
/** Milliseconds. Someone who types has the next key before the rows that are not seen. */
const FILL_DELAY = 150;
const WIDEST = 420;

/**
 * @param {App} app
 * @returns {View}
 */
export function createRunsView(app) {
  const parts = createParts(app);
  let columnsKey = "";
  let spoken = "";
  let forPaper = false;
  return {
    element: parts.element,
    update(state, before) {
      parts.tools.forEach((tool) => tool.update(state));
      parts.groupBox.checked = state.grouped;
      if (before && forPaper === app.printing && onlyTicksDiffer(state, before)) {
        markTicks(parts.part, state);
        return;
      }
      forPaper = app.printing;
      const columns = shownColumns(app, state);
      const key = JSON.stringify([state.grouped, columns.map((column) => column.id)]);
      if (key !== columnsKey) {
        parts.part.heading.replaceChildren(...headingRow(app, columns, state.grouped, parts.part.tickAll).children);
        columnsKey = key;
      }
      markSortedHeading(parts.part.heading, state);
      const count = showRows(app, parts, state, columns);
      parts.count.textContent = count;
      if (count !== spoken && before !== null) {
        announce(count);
      }
      spoken = count;
    },
  };
}

/**
 * @param {App} app
 */
function createParts(app) {
  const search = createSearch(app);
  const ranges = createPanel("Ranges", () => createRanges(app), () => app.store.state);
  const columns = createPanel("Columns", () => createRunColumns(app), () => app.store.state);
  const chips = createChips(app);
  const tickBar = createTickBar(app);
  const pager = createPager(app, PAGE_SIZE);
  const grouping = labelledCheckbox("Group by configuration", false, (checked) => app.store.update({ grouped: checked, page: 1 }, true));
  const count = element("p", { class: "count-line" });
  const heading = element("tr");
  const tickAll = element("input", { type: "checkbox", "aria-label": "Compare all rows of this page" });
  const body = element("tbody");
  const table = element("table", { class: "runs" }, element("caption", { class: "visually-hidden" }, "Runs"), element("thead", {}, heading), body);
  const region = scrollRegion("Table of runs", table);
  region.classList.add("tall");
  const empty = element("p", { class: "empty" }, "No run matches. Take the filter or a range away.");
  const bar = element("div", { class: "toolbar" }, search.element, grouping, ranges.button, columns.button, tickBar.element);
  /** @type {TablePart} */
  const part = { body, heading, tickAll, references: [], timer: 0 };
  listenToBody(app, part);
  const tools = [search, ranges, columns, chips, tickBar, { update: (/** @type {ViewState} */ state) => ranges.setCount(Object.keys(state.ranges).length) }];
  return {
    element: element("section", { "aria-labelledby": "runs-heading" }, element("h2", { id: "runs-heading", class: "visually-hidden" }, "Runs"), bar, ranges.panel, columns.panel, chips.element, count, region, empty, pager.element),
    tools,
    groupBox: /** @type {HTMLInputElement} */ (grouping.querySelector("input")),
    count,
    part,
    region,
    empty,
    pager,
  };
}

/** @param {App} app */
function createRunColumns(app) {
  const chosenIn = (/** @type {ViewState} */ state) => state.columns ?? app.table.columns.filter((column) => column.shown).map((column) => column.id);
  return createColumnChoice(app, app.table.columns, chosenIn, (columns) => app.store.update({ columns }));
}

/**
 * @param {App} app
 * @param {ReturnType<typeof createParts>} parts
 * @param {ViewState} state
 * @param {TableColumn[]} columns
 * @returns {string} how many there are, in words
 */
function showRows(app, parts, state, columns) {
  const runs = app.filter.sortedRuns(state);
  const total = app.table.count;
  const shown = runs.length === total ? plural(total, "run") : `${formatCount(runs.length)} of ${plural(total, "run")}`;
  /** @type {TableRow[]} */
  let rows;
  let count = shown;
  if (state.grouped) {
    const { groups: unsorted, leftOut } = app.groups.groupRuns(runs);
    const groups = sortGroups(unsorted, app.table, state.sort, state.descending);
    const unknown = leftOut === 0 ? "" : ` Left out: ${plural(leftOut, "run")} of unknown configuration.`;
    count = `${plural(groups.length, "group")} of ${shown}. Means ± half the width of their 95 % interval (Student’s t).${unknown}`;
    rows = groups.map((group) => ({ group, open: state.open.includes(group.reference) }));
    parts.pager.update(state, groups.length, "group");
  } else {
    rows = runs.map((run) => ({ run, inGroup: false }));
    parts.pager.update(state, runs.length, "run");
  }
  const page = Math.min(state.page, Math.max(1, Math.ceil(rows.length / PAGE_SIZE)));
  const onPage = state.all || app.printing ? rows : rows.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  fillBody(app, parts.part, state, columns, onPage.flatMap(withMembers));
  parts.empty.hidden = rows.length > 0;
  parts.region.hidden = rows.length === 0;
  return count;
}

/**
 * @param {TableRow} row
 * @returns {TableRow[]}
 */
function withMembers(row) {
  return "group" in row && row.open ? [row, ...row.group.runs.map((run) => ({ run, inGroup: true }))] : [row];
}

/**
 * Fills the table with rows: first those that can be seen, the others soon after.
 * @param {App} app
 * @param {TablePart} part
 * @param {ViewState} state
 * @param {TableColumn[]} columns
 * @param {TableRow[]} rows
 */
function fillBody(app, part, state, columns, rows) {
  const ticks = new Set(state.ticks);
  const focused = document.activeElement?.getAttribute("data-group");
  const make = (/** @type {TableRow[]} */ some) => {
    const made = document.createDocumentFragment();
    for (const row of some) {
      made.append("group" in row ? groupRow(app, row.group, columns, ticks, row.open) : runRow(app, row.run, columns, ticks, row.inGroup));
    }
    return made;
  };
  window.clearTimeout(part.timer);
  part.references = rows.map((row) => ("group" in row ? row.group.reference : app.table.reference(row.run)));
  let done = app.printing || focused ? rows.length : rowsInWindow(part.body);
  part.body.setAttribute("aria-busy", "true");
  part.body.replaceChildren(make(rows.slice(0, done)));
  const fillMore = () => {
    if (done < rows.length) {
      part.body.append(make(rows.slice(done, done + ROWS_AT_ONCE)));
      done += ROWS_AT_ONCE;
      markTicks(part, app.store.state);
      part.timer = window.setTimeout(fillMore, 0);
    } else {
      part.body.removeAttribute("aria-busy");
      keepWidths(part.heading);
    }
  };
  part.timer = window.setTimeout(fillMore, FILL_DELAY);
  markTicks(part, state);
  if (focused) {
    const again = [...part.body.querySelectorAll("button")].find((button) => button.getAttribute("data-group") === focused);
    again?.focus();
  }
}

/**
 * How many rows reach from the top of the table to the lower edge of the window, wherever it is scrolled to.
 * @param {HTMLElement} body
 */
function rowsInWindow(body) {
  return Math.max(1, Math.ceil((window.innerHeight - body.getBoundingClientRect().top) / ROW_HEIGHT));
}

/**
 * Keeps columns as wide as they were, so that they stand still while someone types.
 * @param {HTMLTableRowElement} heading
 */
function keepWidths(heading) {
  const cells = [...heading.children].filter((cell) => cell instanceof HTMLElement);
  const widths = cells.map((cell) => cell.offsetWidth);
  cells.forEach((cell, at) => (cell.style.minWidth = `${Math.min(widths[at], WIDEST)}px`));
}

/**
 * One listener for all rows.
 * @param {App} app
 * @param {TablePart} part
 */
function listenToBody(app, part) {
  const { body, tickAll } = part;
  body.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    const reference = box.getAttribute("data-tick") ?? "";
    const others = app.store.state.ticks.filter((tick) => tick !== reference);
    app.store.update({ ticks: box.checked ? [...others, reference] : others });
  });
  body.addEventListener("click", (event) => {
    const reference = /** @type {Element} */ (event.target).closest("button[data-group]")?.getAttribute("data-group");
    if (reference) {
      const { open } = app.store.state;
      app.store.update({ open: open.includes(reference) ? open.filter((group) => group !== reference) : [...open, reference] });
    }
  });
  tickAll.addEventListener("change", () => {
    const here = new Set(part.references);
    const others = app.store.state.ticks.filter((tick) => !here.has(tick));
    app.store.update({ ticks: tickAll.checked ? [...others, ...here] : others });
  });
}

/**
 * @param {TablePart} part
 * @param {ViewState} state
 */
function markTicks({ body, tickAll, references }, state) {
  const ticks = new Set(state.ticks);
  for (const box of body.querySelectorAll("input[data-tick]")) {
    /** @type {HTMLInputElement} */ (box).checked = ticks.has(box.getAttribute("data-tick") ?? "");
  }
  const ticked = references.filter((reference) => ticks.has(reference)).length;
  tickAll.checked = ticked > 0 && ticked === references.length;
  tickAll.indeterminate = ticked > 0 && ticked < references.length;
}

/**
 * @param {ViewState} state
 * @param {ViewState} before
 */
function onlyTicksDiffer(state, before) {
  return JSON.stringify({ ...state, ticks: 0, hidden: 0 }) === JSON.stringify({ ...before, ticks: 0, hidden: 0 });
}
