/** The view that compares runs and groups. */

import { stateLink } from "./app.js";
import { actionButton, announce, element, isolatedText } from "./dom.js";
import { compareCurves, comparePaths } from "./compare_curves.js";
import { differencesTable } from "./differences.js";
import { formatCount, plural } from "./format.js";
import { createParallel } from "./parallel.js";
import { createScatter } from "./scatter.js";
import { MOST_SERIES, seriesSwatch } from "./series.js";
import { drawnItems, resolveTicks } from "./ticks.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./ticks.js").CompareItem} CompareItem */

/** More could not be overlooked in a key or in a table. */
const MOST_LISTED = 100;

/**
 * @param {App} app
 * @returns {View}
 */
export function createCompareView(app) {
  const key = element("div", {});
  const drawn = element("div", {});
  const table = element("div", {});
  const scatter = createScatter(app);
  const parallel = createParallel(app);
  const holder = element(
    "section",
    { "aria-labelledby": "compare-heading" },
    element("h2", { id: "compare-heading" }, "Compare"),
    key,
    drawn,
    compareSection("Differences", table),
    compareSection("Scatter", scatter.element),
    compareSection("Parallel coordinates", parallel.element),
  );
  return {
    element: holder,
    update(state, before) {
      const { items: ticked, unknown } = resolveTicks(app, state);
      const items = ticked.slice(0, MOST_LISTED);
      if (before === null || differs(state, before, ["ticks", "hidden", "query", "ranges"])) {
        showKey(app, key, items, ticked.length, unknown);
        const series = drawnItems(items);
        drawn.replaceChildren(...(series.length === 0 ? [] : [compareSection("Over steps", ...compareCurves(app, series)), compareSection("Trajectories", ...comparePaths(app, series))]));
        drawn.hidden = series.length === 0;
      }
      if (before === null || differs(state, before, ["ticks", "query", "ranges", "same"])) {
        table.replaceChildren(differencesTable(app, items, state.same));
      }
      scatter.update(state, before, items);
      parallel.update(state, before, items);
    },
  };
}

/**
 * @param {ViewState} state
 * @param {ViewState} before
 * @param {(keyof ViewState)[]} fields
 */
function differs(state, before, fields) {
  return fields.some((field) => JSON.stringify(state[field]) !== JSON.stringify(before[field]));
}

/**
 * @param {string} title
 * @param {...HTMLElement} children
 */
function compareSection(title, ...children) {
  const id = `compare-${title.toLowerCase().replace(/ /g, "-")}`;
  return element("section", { "aria-labelledby": id }, element("h3", { id }, title), ...children);
}

/**
 * The key of all charts: what is compared, with its style, and what is drawn of it.
 * @param {App} app
 * @param {HTMLElement} holder
 * @param {CompareItem[]} items
 * @param {number} ticked how many there are with those that are not listed
 * @param {number} unknown
 */
function showKey(app, holder, items, ticked, unknown) {
  const focused = holder.contains(document.activeElement) ? document.activeElement?.getAttribute("data-item") : null;
  const drawn = drawnItems(items).length;
  /** @type {HTMLElement[]} */
  const parts = [];
  if (unknown > 0) {
    parts.push(element("p", { class: "notice" }, `The address names ${plural(unknown, "run or group", "runs or groups")} that this report does not hold.`));
  }
  if (items.length === 0) {
    parts.push(element("p", { class: "empty" }, "Nothing is ticked. Tick runs, or groups of runs, in the ", stateLink(app, { view: "runs" }, "table of runs"), " to see them over each other here. The charts below show all runs that match its filter."));
  }
  if (ticked > items.length) {
    parts.push(element("p", { class: "notice" }, `${formatCount(ticked)} are ticked; only the first ${items.length} are listed and compared here.`));
  }
  if (items.length > MOST_SERIES) {
    const text = `${items.length} are listed, and ${MOST_SERIES} can be told apart in a chart: ${drawn} are drawn. Choose which; the table of differences has all.`;
    parts.push(element("p", { class: "notice" }, text));
  }
  parts.push(element("ul", { class: "key", "aria-label": "Compared" }, ...items.map((item) => keyItem(app, items, item, drawn))));
  holder.replaceChildren(...parts);
  if (focused !== null) {
    const again = [...holder.querySelectorAll("input")].find((box) => box.getAttribute("data-item") === focused);
    (again ?? document.getElementById("main"))?.focus();
  }
}

/**
 * @param {App} app
 * @param {CompareItem[]} items
 * @param {CompareItem} item
 * @param {number} drawn how many are drawn
 */
function keyItem(app, items, item, drawn) {
  const box = element("input", { type: "checkbox", "data-item": item.reference, "aria-label": `Draw ${item.label}` });
  box.checked = item.style !== null;
  box.disabled = item.style === null && drawn >= MOST_SERIES;
  box.addEventListener("change", () => {
    const shown = items.filter((other) => (other === item ? box.checked : other.style !== null)).map((other) => other.reference);
    app.store.update({ hidden: items.map((other) => other.reference).filter((reference) => !shown.includes(reference)) });
    announce(`${plural(shown.length, "line")} drawn.`);
  });
  const name = item.isGroup ? isolatedText(item.label, 120) : stateLink(app, { view: "run", run: item.reference }, isolatedText(item.label, 80));
  const remove = actionButton("×", () => {
    const { ticks, hidden } = app.store.state;
    app.store.update({ ticks: ticks.filter((tick) => tick !== item.reference), hidden: hidden.filter((tick) => tick !== item.reference) });
  });
  remove.setAttribute("aria-label", `Untick ${item.label}`);
  remove.setAttribute("data-item", "");
  const swatch = item.style === null ? element("span", { class: "no-swatch" }) : seriesSwatch(item.style);
  return element("li", {}, box, swatch, name, element("span", { class: "soft" }, itemNote(app, item)), remove);
}

/**
 * @param {App} app
 * @param {CompareItem} item
 * @returns {string}
 */
function itemNote(app, item) {
  const missing = item.runs.filter((run) => app.table.isMissing(run)).length;
  if (!item.isGroup) {
    return missing > 0 ? "data not here" : "";
  }
  const size = item.runs.length < item.size ? `${item.runs.length} of ${plural(item.size, "run")}, those that match the filter` : plural(item.size, "run");
  return missing > 0 ? `${size}; data of ${missing} not here` : size;
}
