/** The view that compares runs and groups. */

import { element } from "./dom.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */

/**
 * @param {App} _app
 * @returns {View}
 */
export function createCompareView(_app) {
  return { element: element("section", {}, element("h2", {}, "Compare")), update() {} };
}
