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
 * What each link of the page changes. One listener serves them all: a table has hundreds.
 * @type {WeakMap<Element, Partial<ViewState>>}
 */
const linkChanges = new WeakMap();

/**
 * Makes links of the page change its state. A link that another tab opens, or that is copied, has the address as it is then.
 * @param {StateStore} store
 */
export function listenToLinks(store) {
  const changeOf = (/** @type {Event} */ event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const change = link ? linkChanges.get(link) : undefined;
    return link && change ? { link, change } : null;
  };
  const refresh = (/** @type {Event} */ event) => {
    const found = changeOf(event);
    found?.link.setAttribute("href", store.addressOf(found.change));
  };
  document.addEventListener("pointerdown", refresh);
  document.addEventListener("focusin", refresh);
  document.addEventListener("click", (event) => {
    const found = changeOf(event);
    if (found && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      store.update(found.change, true);
    }
  });
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
  linkChanges.set(link, change);
  return link;
}

/**
 * A link to the view of one run.
 * @param {App} app
 * @param {number} run
 * @param {number} [limit] characters of the name
 */
export function runLink(app, run, limit = 60) {
  const reference = app.table.reference(run);
  const link = element("a", { href: app.store.runAddress(reference) }, isolatedText(app.table.names[run], limit));
  linkChanges.set(link, { view: "run", run: reference });
  return link;
}
