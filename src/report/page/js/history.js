/** The view that shows data versions over time. */

import { element } from "./dom.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */

/**
 * @param {App} _app
 * @returns {View}
 */
export function createHistoryView(_app) {
  return { element: element("section", {}, element("h2", {}, "History")), update() {} };
}
