/** The table of what differs between runs and groups: configuration, figures, and what recorded them. */

import { element, expandableText, isolatedText, labelledCheckbox, scrollRegion } from "./dom.js";
import { UNKNOWN } from "./format.js";
import { groupMean, groupedAs } from "./groups.js";
import { seriesSwatch } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./ticks.js").CompareItem} CompareItem */
/** @typedef {{ title: string, unit: string | null, values: (string | null)[], exact: (string | null)[] }} DifferenceRow */

/**
 * @param {App} app
 * @param {CompareItem[]} items
 * @param {boolean} withSame
 * @returns {HTMLElement}
 */
export function differencesTable(app, items, withSame) {
  const shown = items.filter((item) => item.runs.length > 0);
  if (shown.length === 0) {
    return element("p", { class: "empty" }, "Tick runs or groups to see in what they differ.");
  }
  const toggle = labelledCheckbox("Show what is the same, too", withSame, (same) => app.store.update({ same }));
  const bodies = differenceGroups(app, shown).map(({ title, rows }) => differenceBody(title, rows, withSame, shown.length));
  const headings = shown.map((item) => {
    const swatch = item.style === null ? null : seriesSwatch(item.style);
    return element("th", { scope: "col", class: "item" }, swatch, " ", isolatedText(item.label, 60));
  });
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "What"), ...headings));
  const table = element("table", { class: "differences" }, element("caption", { class: "visually-hidden" }, "Differences"), head, ...bodies);
  const groups = shown.some((item) => item.isGroup) && element("p", { class: "soft" }, "Of a group: the mean over its runs ± half the width of its 95 % interval (Student’s t); the number of different values, if there are several.");
  return element("div", {}, element("p", {}, toggle), groups, scrollRegion("Table of differences", table));
}

/**
 * @param {App} app
 * @param {CompareItem[]} items
 * @returns {{ title: string, rows: DifferenceRow[] }[]}
 */
function differenceGroups(app, items) {
  const columns = (/** @type {string[]} */ ...groups) => app.table.columns.filter((column) => groups.includes(column.group)).map((column) => columnRow(column, items));
  const common = app.report.common_config.map(([key, value]) => textRow(key, items.map(() => value)));
  return [
    { title: "Configuration", rows: [...columns("config"), ...restRows(app, items), ...common] },
    { title: "Seeds", rows: columns("seed") },
    { title: "Figures", rows: columns("figure", "metric") },
    { title: "Recording", rows: [...columns("run"), ...provenanceRows(app, items)] },
  ];
}

/**
 * @param {TableColumn} column
 * @param {CompareItem[]} items
 * @returns {DifferenceRow}
 */
function columnRow(column, items) {
  const values = items.map((item) => {
    if (!item.isGroup) {
      return shownValue(column, item.runs[0]);
    }
    if (groupedAs(column) === "mean") {
      const { n, mean, half } = groupMean(item, column);
      return n === 0 ? null : `${column.formatMean(mean)} ± ${half === null ? UNKNOWN : column.formatMean(half)}${n < item.runs.length ? ` (n ${n})` : ""}`;
    }
    return oneOrCount(item.runs.map((run) => shownValue(column, run)));
  });
  const exact = items.map((item, at) => (item.isGroup ? values[at] : column.exact(item.runs[0])));
  return { title: column.title, unit: column.unit, values, exact };
}

/**
 * @param {TableColumn} column
 * @param {number} run
 * @returns {string | null}
 */
function shownValue(column, run) {
  // A tag without its run's name would look the same for all.
  return column.raw(run) === null ? null : column.kind === "tag" ? column.exact(run) : column.text(run);
}

/**
 * @param {(string | null)[]} values
 * @returns {string | null}
 */
function oneOrCount(values) {
  const different = new Set(values);
  return different.size === 1 ? values[0] : `${different.size} different`;
}

/**
 * @param {string} title
 * @param {(string | null)[]} values
 * @returns {DifferenceRow}
 */
function textRow(title, values) {
  return { title, unit: null, values, exact: values };
}

/**
 * Configuration that is no column of the table.
 * @param {App} app
 * @param {CompareItem[]} items
 * @returns {DifferenceRow[]}
 */
function restRows(app, items) {
  const configs = items.map((item) => item.runs.map((run) => new Map(app.report.details[run].config)));
  const keys = new Set(configs.flat().flatMap((config) => [...config.keys()]));
  return [...keys].sort().map((key) => textRow(key, configs.map((members) => oneOrCount(members.map((config) => config.get(key) ?? null)))));
}

/**
 * @param {App} app
 * @param {CompareItem[]} items
 * @returns {DifferenceRow[]}
 */
function provenanceRows(app, items) {
  /** @type {[string, "simulator" | "simulator_version" | "code_version" | "schema_version"][]} */
  const fields = [["Simulator", "simulator"], ["Simulator version", "simulator_version"], ["Code version", "code_version"], ["Schema version", "schema_version"]];
  return fields.map(([title, field]) => textRow(title, items.map((item) => oneOrCount(item.runs.map((run) => app.report.details[run].provenance[field])))));
}

/**
 * @param {string} title
 * @param {DifferenceRow[]} rows
 * @param {boolean} withSame
 * @param {number} count
 */
function differenceBody(title, rows, withSame, count) {
  const isDifferent = (/** @type {DifferenceRow} */ row) => row.exact.some((value) => value !== row.exact[0]);
  const known = rows.filter((row) => row.values.some((value) => value !== null));
  const shown = withSame || count === 1 ? known : known.filter(isDifferent);
  const body = element("tbody", {}, element("tr", { class: "band" }, element("th", { scope: "rowgroup", colspan: count + 1 }, title)));
  if (shown.length === 0) {
    body.append(element("tr", {}, element("td", { class: "soft", colspan: count + 1 }, known.length === 0 ? "nothing known" : "no difference")));
  }
  for (const row of shown) {
    const unit = row.unit === null ? null : element("span", { class: "unit" }, " ", isolatedText(row.unit, 20));
    const cells = row.values.map((value) =>
      value === null ? element("td", { class: "unknown" }, UNKNOWN) : element("td", {}, expandableText(value)),
    );
    body.append(element("tr", { class: withSame && isDifferent(row) ? "different" : false }, element("th", { scope: "row" }, isolatedText(row.title, 80), unit), ...cells));
  }
  return body;
}
