/** What every view works with. */

import { RunTable } from "./data.js";
import { RunFilter } from "./filters.js";
import { RunGroups } from "./groups.js";
import { StateStore } from "./state.js";
import { element, isolatedText } from "./dom.js";

/** @typedef {import("../report-data").ReportData} ReportData */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {{ report: ReportData, table: RunTable, store: StateStore, filter: RunFilter, groups: RunGroups, printing: boolean }} App */
/** @typedef {{ element: HTMLElement, update: (state: ViewState, before: ViewState | null) => void }} View `before` is null when the view is entered */

/**
 * @param {ReportData} report
 * @returns {App}
 */
export function createApp(report) {
  const table = new RunTable(report);
  const store = new StateStore((column) => column === "n" || table.column(column) !== undefined);
  return { report, table, store, filter: new RunFilter(table), groups: new RunGroups(table), printing: false };
}

/**
 * A link that changes the state: another tab opens it as well.
 * @param {App} app
 * @param {Partial<ViewState>} change
 * @param {...(Node | string)} children
 * @returns {HTMLAnchorElement}
 */
export function stateLink(app, change, ...children) {
  const link = element("a", { href: app.store.addressOf(change) }, ...children);
  const refresh = () => link.setAttribute("href", app.store.addressOf(change));
  link.addEventListener("pointerdown", refresh);
  link.addEventListener("focus", refresh);
  link.addEventListener("click", (event) => {
    if (event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      app.store.update(change, true);
    }
  });
  return link;
}

/**
 * A link to the view of one run.
 * @param {App} app
 * @param {number} run
 * @param {number} [limit] characters of the name
 */
export function runLink(app, run, limit = 60) {
  return stateLink(app, { view: "run", run: app.table.reference(run) }, isolatedText(app.table.names[run], limit));
}
