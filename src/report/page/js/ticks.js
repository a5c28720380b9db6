/** What is ticked to be compared: runs and groups, and which of them are drawn in which style. */

import { seriesStyle, MOST_SERIES } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/**
 * @typedef {object} CompareItem
 * @property {string} reference
 * @property {string} label
 * @property {boolean} isGroup
 * @property {number[]} runs those of a group that match the filter
 * @property {number} size all runs of the group
 * @property {SeriesStyle | null} style null: not drawn
 */

/**
 * @param {App} app
 * @param {ViewState} state
 * @returns {{ items: CompareItem[], unknown: number }} `unknown` counts the ticks that this report does not hold
 */
export function resolveTicks(app, state) {
  const all = state.ticks.some((tick) => app.table.find(tick) < 0) ? app.groups.groupRuns(app.table.names.map((_, run) => run)).groups : [];
  const matching = new Set(all.length === 0 ? [] : app.filter.matchingRuns(state));
  /** @type {CompareItem[]} */
  const items = [];
  for (const reference of state.ticks) {
    const run = app.table.find(reference);
    const group = run < 0 ? all.find((one) => one.reference === reference) : undefined;
    if (run >= 0) {
      items.push({ reference, label: app.table.label(run), isGroup: false, runs: [run], size: 1, style: null });
    } else if (group) {
      const runs = group.runs.filter((member) => matching.has(member));
      items.push({ reference, label: app.groups.labelOf(group), isGroup: true, runs, size: group.runs.length, style: null });
    }
  }
  styleItems(items, new Set(state.hidden));
  return { items, unknown: state.ticks.length - items.length };
}

/**
 * The first ones that are not hidden are drawn, as many as can be told apart. If all have a style of their own, hiding one
 * changes no other.
 * @param {CompareItem[]} items
 * @param {Set<string>} hidden
 */
function styleItems(items, hidden) {
  const isStable = items.length <= MOST_SERIES;
  let drawn = 0;
  items.forEach((item, at) => {
    if (!hidden.has(item.reference) && drawn < MOST_SERIES) {
      item.style = seriesStyle(isStable ? at : drawn);
      drawn += 1;
    }
  });
}

/**
 * The items that are drawn.
 * @param {CompareItem[]} items
 * @returns {(CompareItem & { style: SeriesStyle })[]}
 */
export function drawnItems(items) {
  return items.flatMap((item) => (item.style === null ? [] : [{ ...item, style: item.style }]));
}
