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

const PAGE_SIZE = 100;

/**
 * @param {App} app
 * @returns {View}
 */
export function createRunsView(app) {
  const parts = createParts(app);
  let columnsKey = "";
  let spoken = "";
  return {
    element: parts.element,
    update(state, before) {
      parts.tools.forEach((tool) => tool.update(state));
      parts.groupBox.checked = state.grouped;
      if (before && onlyTicksDiffer(state, before)) {
        markTicks(parts.body, state);
        markTickAll(parts);
        return;
      }
      const columns = shownColumns(app, state);
      const key = JSON.stringify([state.grouped, columns.map((column) => column.id)]);
      if (key !== columnsKey) {
        parts.heading.replaceChildren(...headingRow(app, columns, state.grouped, parts.tickAll).children);
        columnsKey = key;
      }
      markSortedHeading(parts.heading, state);
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
  listenToBody(app, body, tickAll);
  const tools = [search, ranges, columns, chips, tickBar, { update: (/** @type {ViewState} */ state) => ranges.setCount(Object.keys(state.ranges).length) }];
  return {
    element: element("section", { "aria-labelledby": "runs-heading" }, element("h2", { id: "runs-heading", class: "visually-hidden" }, "Runs"), bar, ranges.panel, columns.panel, chips.element, count, region, empty, pager.element),
    tools,
    groupBox: /** @type {HTMLInputElement} */ (grouping.querySelector("input")),
    count,
    heading,
    tickAll,
    body,
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
  fillBody(app, parts, state, columns, onPage.flatMap(withMembers));
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
 * @param {App} app
 * @param {ReturnType<typeof createParts>} parts
 * @param {ViewState} state
 * @param {TableColumn[]} columns
 * @param {TableRow[]} rows
 */
function fillBody(app, parts, state, columns, rows) {
  const ticks = new Set(state.ticks);
  const focused = document.activeElement?.getAttribute("data-group");
  const made = document.createDocumentFragment();
  for (const row of rows) {
    made.append("group" in row ? groupRow(app, row.group, columns, ticks, row.open) : runRow(app, row.run, columns, ticks, row.inGroup));
  }
  parts.body.replaceChildren(made);
  markTickAll(parts);
  if (focused) {
    const again = [...parts.body.querySelectorAll("button")].find((button) => button.getAttribute("data-group") === focused);
    again?.focus();
  }
}

/**
 * One listener for all rows.
 * @param {App} app
 * @param {HTMLElement} body
 * @param {HTMLInputElement} tickAll
 */
function listenToBody(app, body, tickAll) {
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
    const here = [...body.querySelectorAll("[data-tick]")].map((box) => box.getAttribute("data-tick") ?? "");
    const others = app.store.state.ticks.filter((tick) => !here.includes(tick));
    app.store.update({ ticks: tickAll.checked ? [...others, ...here] : others });
  });
}

/**
 * @param {HTMLElement} body
 * @param {ViewState} state
 */
function markTicks(body, state) {
  const ticks = new Set(state.ticks);
  for (const box of body.querySelectorAll("input[data-tick]")) {
    /** @type {HTMLInputElement} */ (box).checked = ticks.has(box.getAttribute("data-tick") ?? "");
  }
}

/** @param {ReturnType<typeof createParts>} parts */
function markTickAll(parts) {
  const boxes = [...parts.body.querySelectorAll("input[data-tick]")].map((box) => /** @type {HTMLInputElement} */ (box).checked);
  const ticked = boxes.filter(Boolean).length;
  parts.tickAll.checked = ticked > 0 && ticked === boxes.length;
  parts.tickAll.indeterminate = ticked > 0 && ticked < boxes.length;
}

/**
 * @param {ViewState} state
 * @param {ViewState} before
 */
function onlyTicksDiffer(state, before) {
  return JSON.stringify({ ...state, ticks: 0, hidden: 0 }) === JSON.stringify({ ...before, ticks: 0, hidden: 0 });
}
