/** The view of data versions over time: what each introduced and removed. */

import { runLink } from "./app.js";
import { lineChart } from "./charts.js";
import { actionButton, copyButton, element, expandableText, isolatedText, lazyDetails } from "./dom.js";
import { formatCount, formatTime, parseTime, plural } from "./format.js";
import { seriesStyle } from "./series.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./app.js").View} View */
/** @typedef {import("../report-data").HistoryEntry} HistoryEntry */
/** @typedef {import("./curves.js").SampledCurve} SampledCurve */

const FIRST_VERSIONS = 100;
const NAMES_SHOWN = 200;

/**
 * @param {App} app
 * @returns {View}
 */
export function createHistoryView(app) {
  const { history } = app.report;
  const list = element("ol", { class: "versions" });
  const holder = element("section", { "aria-labelledby": "history-heading" }, element("h2", { id: "history-heading" }, "History"));
  if (history.length === 0) {
    holder.append(element("p", { class: "empty" }, "No commit holds a data version."));
    return { element: holder, update() {} };
  }
  holder.append(element("p", { class: "soft" }, `${plural(history.length, "data version")}, newest first.`));
  const chartHolder = element("div", { class: "history-chart" });
  const more = actionButton(`Show all ${formatCount(history.length)}`, () => {
    list.append(...history.slice(FIRST_VERSIONS).map((entry) => versionItem(app, entry)));
    more.remove();
  });
  more.hidden = history.length <= FIRST_VERSIONS;
  more.toggleAttribute("data-print-all", !more.hidden);
  list.append(...history.slice(0, FIRST_VERSIONS).map((entry) => versionItem(app, entry)));
  holder.append(chartHolder, list, more);
  return {
    element: holder,
    update(_, before) {
      if (before === null) {
        chartHolder.replaceChildren(...historyChart(app));
      }
    },
  };
}

/**
 * @param {App} app
 * @returns {HTMLElement[]}
 */
function historyChart(app) {
  const entries = app.report.history
    .map((entry) => ({ entry, seconds: Math.floor(parseTime(app.report.commits[entry.commit]?.time ?? "") / 1000) }))
    .filter(({ seconds }) => Number.isFinite(seconds))
    .reverse()
    .sort((a, b) => a.seconds - b.seconds);
  /** @type {Map<number, number>} */
  const totals = new Map();
  let total = 0;
  for (const { entry, seconds } of entries) {
    total += (entry.introduced_count ?? entry.introduced.length) - entry.removed_count;
    totals.set(seconds, total);
  }
  if (totals.size < 2) {
    return [];
  }
  const unknown = app.report.history.filter((entry) => entry.introduced_count === null).length;
  const gaps = [...totals].map(() => NaN);
  /** @type {SampledCurve} */
  const curve = { name: "runs", unit: null, steps: [...totals.keys()], low: gaps, mid: [...totals.values()], high: gaps };
  const note = unknown === 0 ? "" : `This clone cannot know what ${plural(unknown, "data version")} introduced: the number may be too low.`;
  return [lineChart({ title: "Runs introduced, less those removed", unit: null, series: [{ label: "runs", style: seriesStyle(0), curve }], note, stepped: true, time: true })];
}

/**
 * @param {App} app
 * @param {HistoryEntry} entry
 */
function versionItem(app, entry) {
  const commit = app.report.commits[entry.commit];
  const time = element("time", { datetime: commit?.time ?? null }, commit ? formatTime(commit.time) : "");
  const subject = element("p", { class: "subject" }, commit ? expandableText(commit.subject) : "unknown commit");
  const badges = entry.is_merge ? [element("span", { class: "badge" }, "merge")] : [];
  badges.push(...entry.tags.map((tag) => element("span", { class: "badge tag" }, isolatedText(tag, 80))));
  subject.append(...badges.flatMap((badge) => [" ", badge]));
  const facts = element("p", { class: "soft facts-line" });
  if (commit) {
    facts.append(isolatedText(commit.author, 80), " · ", element("code", {}, isolatedText(commit.id.slice(0, 8), 8)), " · ");
  }
  facts.append("data version ", element("code", {}, isolatedText(entry.version, 60)), " ", copyButton(entry.version, "the data version"));
  return element("li", {}, time, element("div", { class: "version" }, subject, facts, ...changeDetails(app, entry)));
}

/**
 * @param {App} app
 * @param {HistoryEntry} entry
 * @returns {HTMLElement[]}
 */
function changeDetails(app, entry) {
  /** @type {HTMLElement[]} */
  const details = [];
  const { introduced, introduced_count: count, removed, removed_count: removedCount } = entry;
  if (count === null) {
    details.push(element("p", { class: "soft" }, "This clone cannot know what it introduced."));
  }
  if (introduced.length > 0) {
    details.push(lazyDetails(`+ ${plural(count ?? introduced.length, "run")} introduced`, () => runNames(introduced.map((run) => runLink(app, run)), Math.max(count ?? 0, introduced.length))));
  } else if (count !== null && count > 0) {
    details.push(element("p", {}, `+ ${plural(count, "run")} introduced, none of them in this report`));
  }
  if (removedCount > 0) {
    details.push(lazyDetails(`− ${plural(removedCount, "run")} removed`, () => runNames(removed.map((name) => isolatedText(name, 80)), removedCount)));
    if (entry.removal_reason !== null) {
      details.push(element("p", {}, "Reason: ", expandableText(entry.removal_reason)));
    }
  }
  if (count === 0 && removedCount === 0) {
    details.push(element("p", { class: "soft" }, "No run introduced or removed."));
  }
  return details;
}

/**
 * @param {HTMLElement[]} names
 * @param {number} of
 */
function runNames(names, of) {
  const list = element("ul", { class: "names" }, ...names.slice(0, NAMES_SHOWN).map((name) => element("li", {}, name)));
  const rest = of - Math.min(names.length, NAMES_SHOWN);
  return element("div", {}, list, rest > 0 && element("p", { class: "soft" }, `and ${plural(rest, "run")} not listed here`));
}
